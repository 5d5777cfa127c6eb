from __future__ import annotations

import pytest

from jobs.core.errors import MalformedRequestError
from jobs.core.rollouts.flag_requests import FlagPreview, FlagPut, checked_flag_preview
from jobs.core.rollouts.rollout_requests import parse_body


def test_a_put_takes_any_document_because_what_reads_it_names_what_is_wrong() -> None:
    put = parse_body(b'{"document": {"share": 7}, "reason": "r", "number": 0}', FlagPut)
    assert (put.document, put.reason, put.number) == ({"share": 7}, "r", 0)
    assert parse_body(b'{"document": {}}', FlagPut).number is None


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b'{"document": 1}', b'{"document": {}, "number": -1}', b'{"document": {}, "more": 1}',
     b'{"document": {}, "number": 1.5}', b'{"document": {"a": "\\u0000"}}'],
)  # fmt: skip
def test_a_malformed_put_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedRequestError):
        parse_body(body, FlagPut)


@pytest.mark.parametrize(
    "more",
    [b"", b', "asks": [{}], "last": 1', b', "last": 0', b', "asks": []', b', "last": 1, "sticky": "x"'],
)
def test_a_preview_is_of_described_jobs_or_of_stored_ones(more: bytes) -> None:
    with pytest.raises(MalformedRequestError):
        checked_flag_preview(parse_body(b'{"document": {}' + more + b"}", FlagPreview))


def test_a_preview_draws_as_a_switch_does_unless_it_names_what_is_sticky() -> None:
    assert parse_body(b'{"document": {}, "last": 1}', FlagPreview).sticky is None
    assert parse_body(b'{"document": {}, "last": 1, "sticky": "job"}', FlagPreview).sticky == "job"
