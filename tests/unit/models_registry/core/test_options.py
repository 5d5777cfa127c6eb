"""A version's options are read strictly; an error names the option, the value and what is allowed."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest

from models_registry.core.options import (
    BreakerOptions,
    PlatformOptions,
    RetryOptions,
    RetryRule,
    option_rows,
    options_schema,
)
from models_registry.core.registry_errors import RegistrationError

NAN, INFINITY = float("nan"), float("inf")


def test_without_options_the_defaults_hold() -> None:
    options = PlatformOptions.of({})
    assert (options.retry, options.breaker) == (RetryOptions(), BreakerOptions())
    assert options.retry.rule_for("timeout") == RetryRule(None, 0.5, 60.0)
    assert (options.retry.share, options.retry.floor_per_s) == (0.2, 10.0)
    assert (options.retention_days, options.max_waiting, options.shares_runs) == (None, 1_000_000, False)


@pytest.mark.parametrize(
    ("options", "may_be_slow"),
    [
        ({}, False),
        ({"lane": "fast", "slow_slice_s": 2}, False),
        ({"lane": "slow"}, True),
        ({"lane": "auto"}, True),
        ({"slow_above_s": 2}, True),
    ],
)
def test_a_version_has_slow_jobs_only_where_its_options_say_so(
    options: dict[str, Any], *, may_be_slow: bool
) -> None:
    assert PlatformOptions.of(options).may_be_slow is may_be_slow


def test_an_option_of_the_loader_is_left_to_the_loader() -> None:
    assert PlatformOptions.of({"dtype": "float16", "shed": True}) == PlatformOptions(shed=True)


def test_options_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        PlatformOptions().shed = True  # type: ignore[misc]  # mypy knows it too


def test_the_rule_of_a_kind_differs_only_in_the_fields_that_it_has() -> None:
    kinds = {"resource": {"cap_s": 9}, "internal": {"attempts": 1}, "timeout": {"attempts": None}}
    retry = {"attempts": 4, "base_s": 2, "kinds": kinds, "share": 0.1, "floor_per_s": 1}
    policy = PlatformOptions.of({"retry": retry}).retry
    assert policy.rule_for("transient") == policy.rule_for("crash") == RetryRule(4, 2.0, 60.0)
    assert policy.rule_for("resource") == RetryRule(4, 2.0, 9.0)
    assert policy.rule_for("internal") == RetryRule(1, 2.0, 60.0)
    assert policy.rule_for("timeout") == RetryRule(None, 2.0, 60.0)
    assert (policy.share, policy.floor_per_s) == (0.1, 1.0)


@pytest.mark.parametrize(
    ("options", "collapses", "shares"),
    [
        ({}, False, False),
        ({"cache_ttl_s": 60}, True, True),
        ({"cache_ttl_s": 0.5, "collapse": False}, False, True),
        ({"collapse": True}, True, True),
        ({"cache_ttl_s": 0, "collapse": False}, False, False),
    ],
)
def test_a_version_shares_runs_only_if_its_options_ask_for_it(
    options: dict[str, Any], *, collapses: bool, shares: bool
) -> None:
    read = PlatformOptions.of(options)
    assert (read.collapses, read.shares_runs) == (collapses, shares)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"check_output": 1}, "The option check_output is 1; it must be true or false."),
        ({"refuse_nan": "yes"}, "refuse_nan is 'yes'"),
        ({"encrypt": "yes"}, "encrypt is 'yes'; it must be true or false"),
        ({"shed": 1}, "shed is 1"),
        ({"memory_bytes": -1}, "memory_bytes is -1; it must be a whole number of at least 0 or null"),
        ({"memory_bytes": True}, "memory_bytes is True"),
        ({"memory_bytes": "2G"}, "memory_bytes is '2G'"),
        ({"batch_limit_s": 0}, "batch_limit_s is 0; it must be a number above 0"),
        ({"batch_limit_s": True}, "batch_limit_s is True"),
        ({"max_waiting": 0}, "max_waiting is 0; it must be a whole number of at least 1"),
        ({"max_waiting": 1.5}, "max_waiting is 1.5"),
        ({"max_waiting": None}, "max_waiting is None"),
        ({"cache_ttl_s": -1}, "cache_ttl_s is -1; it must be a number from 0 to 31,622,400"),
        ({"cache_ttl_s": "60"}, "cache_ttl_s is '60'"),
        ({"cache_ttl_s": None}, "cache_ttl_s is None"),
        ({"cache_ttl_s": NAN}, "cache_ttl_s is nan"),
        ({"cache_ttl_s": INFINITY}, "cache_ttl_s is inf"),
        ({"collapse": 1}, "collapse is 1"),
        ({"collapse": None}, "collapse is None"),
        ({"retention_days": 0}, "retention_days is 0; it must be a whole number from 1 to 366"),
        ({"retention_days": 367}, "retention_days is 367"),
        ({"retention_days": 1.5}, "retention_days is 1.5"),
        ({"retention_days": True}, "retention_days is True"),
        ({"retention_days": [30]}, r"retention_days is \[30\]"),
        ({"lane": "middle"}, "lane is 'middle'; it must be one of auto, fast, slow"),
        ({"lane": None}, "lane is None"),
        ({"lane": True}, "lane is True"),
        ({"slow_slice_s": 0}, "slow_slice_s is 0; it must be a number above 0, at most 86,400"),
        ({"slow_slice_s": NAN}, "slow_slice_s is nan"),
        ({"slow_slice_s": None}, "slow_slice_s is None"),
        ({"slow_above_s": "2"}, "slow_above_s is '2'; it must be a number above 0, at most 86,400 or null"),
        ({"slow_above_s": -1}, "slow_above_s is -1"),
        ({"slow_above_s": NAN}, "slow_above_s is nan"),
        ({"slow_above_s": INFINITY}, "slow_above_s is inf"),
        ({"slow_above_s": True}, "slow_above_s is True"),
        ({"fallback": " "}, "fallback is ' '; it must be a model, `name`"),
        ({"fallback": 3}, "fallback is 3"),
        ({"breaker": None}, "breaker is None; it must be an object"),
        ({"breaker": {"least": 0}}, "breaker.least is 0; it must be a whole number of at least 1"),
        ({"breaker": {"share": 1.5}}, "breaker.share is 1.5; it must be a number above 0, at most 1"),
        ({"breaker": {"cool_s": 604_801}}, "breaker.cool_s is 604801; .* at most 604,800"),
        ({"breaker": {"enabled": 1}}, "breaker.enabled is 1"),
        ({"breaker": {"window": 3}}, "no option breaker.window; did you mean window_s.*takes cap_s, cool_s"),
        ({"retry": 3}, "retry is 3; it must be an object"),
        ({"retry": {"attempts": 0}}, "retry.attempts is 0; it must be a whole number of at least 1 or null"),
        ({"retry": {"attempts": True}}, "retry.attempts is True"),
        ({"retry": {"base_s": -1}}, "retry.base_s is -1; it must be a number from 0"),
        ({"retry": {"base_s": "1"}}, "retry.base_s is '1'"),
        ({"retry": {"cap_s": NAN}}, "retry.cap_s is nan"),
        ({"retry": {"share": 1}}, "retry.share is 1; it must be a number from 0 to 0.99"),
        ({"retry": {"floor_per_s": 0}}, "retry.floor_per_s is 0; it must be a number from 0.01"),
        ({"retry": {"attempt": 1}}, "no option retry.attempt; did you mean attempts.*takes attempts, base_s"),
        ({"retry": {"kinds": []}}, r"retry.kinds is \[\]; it must be an object"),
        ({"retry": {"kinds": {"invalid": {}}}}, "retry.kinds.invalid.*takes internal, resource, timeout, tr"),
        ({"retry": {"kinds": {"timeout": None}}}, "retry.kinds.timeout is None; it must be an object"),
        ({"retry": {"kinds": {"timeout": {"attempts": "2"}}}}, "retry.kinds.timeout.attempts is '2'"),
        ({"retry": {"kinds": {"timeout": {"kinds": {}}}}}, "no option retry.kinds.timeout.kinds"),
    ],
)
def test_a_wrong_option_is_refused_by_name(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RegistrationError, match=message):
        PlatformOptions.of(options)


def test_a_long_value_is_cut_in_the_message() -> None:
    with pytest.raises(RegistrationError) as raised:
        PlatformOptions.of({"shed": "x" * 10_000})
    assert len(str(raised.value)) < 200


def test_the_schema_allows_what_the_platform_reads_and_nothing_else() -> None:
    validator = jsonschema_rs.validator_for(options_schema())
    assert validator.is_valid({"retry": {"kinds": {"timeout": {"attempts": None}}}, "dtype": "float16"})
    assert not validator.is_valid({"retry": {"kinds": {"crash": {}}}})
    assert not validator.is_valid({"retention_days": 367})


def test_each_option_has_a_row_for_the_documents() -> None:
    rows = {row.name: row for row in option_rows()}
    assert {*PlatformOptions.__struct_fields__, "retry.kinds.timeout", "breaker.share"} <= set(rows)
    assert all(row.type and row.description.endswith(".") for row in rows.values())
    assert rows["retention_days"][1:3] == ("a whole number from 1 to 366 or null", "RETENTION_DAYS")
    assert (rows["max_waiting"].default, rows["shed"].default) == ("1000000", "false")
