from typing import Any

import pytest

from models_registry.core.options import PlatformOptions
from models_registry.core.registry_errors import RegistrationError
from models_registry.core.retention_options import retention_days


@pytest.mark.parametrize("days", [1, 30, 366])
def test_a_version_says_for_how_many_days_it_is(days: int) -> None:
    assert retention_days({"retention_days": days}) == days


def test_a_version_that_says_nothing_leaves_it_to_the_platform() -> None:
    assert retention_days({}) is None


@pytest.mark.parametrize("days", [0, -1, 367, 1.5, "30", True, [30]])
def test_anything_else_is_refused_when_it_is_registered(days: Any) -> None:
    with pytest.raises(RegistrationError, match="retention_days"):
        PlatformOptions.of({"retention_days": days})
