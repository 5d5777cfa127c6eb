"""A request for an act on many jobs is read strictly."""

from __future__ import annotations

import pytest

from jobs.core.acting.bulk_request import DEFAULT_PER_S, parse_bulk_request
from jobs.core.errors import MalformedRequestError
from jobs.core.failures import FailureKind
from jobs.core.states import State


def test_a_request_without_fields_has_no_filter() -> None:
    asked = parse_bulk_request(b"{}")
    assert (asked.state, asked.model, asked.dry_run, asked.rate_per_s) == (None, None, False, DEFAULT_PER_S)


def test_fields_are_typed() -> None:
    asked = parse_bulk_request(b'{"state": "dead", "kind": "timeout", "priority": 9, "rate_per_s": 0.5}')
    assert (asked.state, asked.kind, asked.priority) == (State.DEAD, FailureKind.TIMEOUT, 9)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "truncated"),
        (b"[]", "object"),
        (b"\xff", "invalid"),
        (b'{"states": "dead"}', "states"),
        (b'{"state": "gone"}', "gone"),
        (b'{"priority": 10}', "priority"),
        (b'{"rate_per_s": 0}', "rate_per_s"),
        (b'{"rate_per_s": 1e9}', "rate_per_s"),
        (b'{"created_after": "2026-01-01T00:00:00"}', "timezone"),
        (b'{"created_after": "2026-01-02T00:00:00Z", "created_before": "2026-01-01T00:00:00Z"}', "before"),
        (b'{"client": "a\\u0000"}', "client"),
        (b'{"client": "a", "all_clients": true}', "exclude"),
        (b'{"metadata": {"tenant": "a"}}', "model"),
        (b'{"model": "m", "metadata": {}}', "metadata"),
        (b'{"model": "m", "metadata": {"a": "1", "b": "2"}}', "metadata"),
    ],
)
def test_what_is_wrong_is_named(body: bytes, says: str) -> None:
    with pytest.raises(MalformedRequestError, match=f"(?i){says}"):
        parse_bulk_request(body)
