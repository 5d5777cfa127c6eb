"""Bodies of calls on rules and roll-outs: read strictly, with every default."""

from __future__ import annotations

import pytest

from jobs.core.errors import MalformedRequestError
from jobs.core.rollouts.rollout_requests import (
    RolloutBudget,
    RolloutReason,
    RolloutStart,
    RulePreview,
    RulePut,
    checked_preview,
    parse_body,
)


def test_a_body_may_be_missing_where_every_member_has_a_default() -> None:
    assert parse_body(b"", RolloutReason).reason == ""
    with pytest.raises(MalformedRequestError, match="candidate"):
        parse_body(b"", RolloutStart)


def test_a_start_has_defaults_and_keeps_its_plan_as_it_is_written() -> None:
    asked = parse_body(b'{"candidate": "2", "plan": {"surprise": 1}}', RolloutStart)
    assert (asked.alias, asked.reason, asked.ticket, asked.plan) == ("default", "", "", {"surprise": 1})


@pytest.mark.parametrize(
    "raw",
    [
        b"[]",
        b"{",
        b'{"document": {}, "surprise": 1}',
        b'{"document": {"a": "\\u0000"}}',
        b'{"document": NaN}',
        b"\xff",
    ],
)
def test_a_malformed_body_is_refused(raw: bytes) -> None:
    with pytest.raises(MalformedRequestError):
        parse_body(raw, RulePut)


def test_a_text_that_only_names_the_escape_is_allowed() -> None:
    assert parse_body(rb'{"document": {"a": "\\u0000"}}', RulePut).document == {"a": "\\u0000"}


@pytest.mark.parametrize("budget", [b"0", b"-1", b"1.5", b"3000000000", b'"many"', b"null"])
def test_a_budget_is_a_number_of_jobs(budget: bytes) -> None:
    with pytest.raises(MalformedRequestError, match="budget"):
        parse_body(b'{"budget": %s}' % budget, RolloutBudget)


def test_a_preview_is_of_described_or_of_stored_jobs() -> None:
    for more in (b"", b', "asks": [{}], "last": 1'):
        with pytest.raises(MalformedRequestError, match="one of"):
            checked_preview(parse_body(b'{"document": {}%s}' % more, RulePreview))
    assert checked_preview(parse_body(b'{"document": {}, "last": 1}', RulePreview)).last == 1
