from typing import Any

import pytest

from models_registry.core.options import PlatformOptions
from models_registry.core.registry_errors import RegistrationError
from models_registry.core.reuse_options import ReuseOptions


@pytest.mark.parametrize(
    ("options", "read", "shares"),
    [
        ({}, ReuseOptions(0.0, collapse=False), False),
        ({"cache_ttl_s": 60}, ReuseOptions(60.0, collapse=True), True),
        ({"cache_ttl_s": 0.5, "collapse": False}, ReuseOptions(0.5, collapse=False), True),
        ({"collapse": True}, ReuseOptions(0.0, collapse=True), True),
        ({"cache_ttl_s": 0, "collapse": False}, ReuseOptions(0.0, collapse=False), False),
    ],
)
def test_a_version_shares_runs_only_where_its_options_say_so(
    options: dict[str, Any], read: ReuseOptions, *, shares: bool
) -> None:
    told = ReuseOptions.of(options)
    assert (told, told.shares) == (read, shares)


@pytest.mark.parametrize(
    "options",
    [
        {"cache_ttl_s": -1},
        {"cache_ttl_s": "60"},
        {"cache_ttl_s": True},
        {"cache_ttl_s": None},
        {"cache_ttl_s": float("nan")},
        {"cache_ttl_s": float("inf")},
        {"collapse": 1},
        {"collapse": None},
    ],
)
def test_a_version_with_a_wrong_option_is_not_registered(options: dict[str, Any]) -> None:
    with pytest.raises(RegistrationError, match=next(iter(options))):
        PlatformOptions.of(options)
