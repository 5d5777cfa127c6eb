"""A version's retry policy is read strictly, and says what is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from models_registry.core.options import PlatformOptions
from models_registry.core.registry_errors import RegistrationError
from models_registry.core.retry_options import RetryOptions, RetryRule


def test_without_the_option_the_defaults_hold() -> None:
    assert PlatformOptions.of({}).retry == RetryOptions(RetryRule(None, 0.5, 60.0), {}, 0.2, 10.0)


def test_a_kind_s_rule_differs_only_where_it_says_so() -> None:
    retry = {"attempts": 4, "base_s": 2, "kinds": {"resource": {"cap_s": 9}, "internal": {"attempts": 1}}}
    policy = PlatformOptions.of({"retry": {**retry, "share": 0.1, "floor_per_s": 1}}).retry
    assert policy.rule_for("transient") == RetryRule(4, 2.0, 60.0)
    assert policy.rule_for("resource") == RetryRule(4, 2.0, 9.0)
    assert policy.rule_for("internal") == RetryRule(1, 2.0, 60.0)
    assert (policy.share, policy.floor_per_s) == (0.1, 1.0)


@pytest.mark.parametrize(
    ("retry", "says"),
    [
        (3, "retry is 3; it is an object"),
        ({"attempts": 0}, "retry.attempts is 0; it is a number of attempts"),
        ({"attempts": True}, "retry.attempts is True"),
        ({"attempts": 1.5}, "retry.attempts is 1.5"),
        ({"base_s": -1}, "retry.base_s is -1; it is a number from 0"),
        ({"base_s": "1"}, "retry.base_s is '1'"),
        ({"cap_s": float("nan")}, "retry.cap_s is nan"),
        ({"cap_s": float("inf")}, "retry.cap_s is inf"),
        ({"share": 1}, "retry.share is 1; it is a number from 0 to 0.99"),
        ({"floor_per_s": 0}, "retry.floor_per_s is 0; it is a number from 0.01"),
        ({"delay": 1}, "retry has delay; it takes attempts, base_s, cap_s"),
        ({"kinds": []}, r"retry.kinds is \[\]; it is an object"),
        ({"kinds": {"invalid": {}}}, "retry.kinds has invalid; it takes internal, resource, timeout, trans"),
        ({"kinds": {"crash": {}}}, "retry.kinds has crash"),
        ({"kinds": {"timeout": {"attempts": "2"}}}, "retry.kinds.timeout.attempts is '2'"),
        ({"kinds": {"timeout": {"kinds": {}}}}, "retry.kinds.timeout has kinds"),
    ],
)
def test_a_policy_that_means_nothing_is_refused_with_its_name(retry: Any, says: str) -> None:
    with pytest.raises(RegistrationError, match=says):
        PlatformOptions.of({"retry": retry})
