import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.core.errors import (
    BodyTooLargeError,
    MalformedRequestError,
    MetadataTooLargeError,
    PlatformError,
)
from jobs.core.submission import request as requests
from jobs.core.submission.input_size import memory_bytes
from jobs.core.submission.parsed_job import ParsedJob, parse_job
from jobs.core.submission.request import (
    JobRequest,
    check_key,
    keyed,
    parse_bulk,
    parse_request,
)
from tests.support.versions import Version

MOST = 1_000_000  # bytes of an item


def body(**changes: Any) -> bytes:
    return json.dumps({"model": "echo", "input": {"a": 1}} | changes).encode()


def parsed(**changes: Any) -> ParsedJob:
    return parse_job(parse_request(body(**changes)), Version())


@given(st.binary(max_size=200))
def test_any_bytes_are_a_request_or_malformed(raw: bytes) -> None:
    with suppress(MalformedRequestError):
        assert isinstance(parse_request(raw), JobRequest)


@given(st.integers(0, 9), st.floats(0.001, 1e6), st.integers(1, 100))
def test_a_job_has_the_values_of_its_request(priority: int, deadline_s: float, max_attempts: int) -> None:
    job = parsed(priority=priority, deadline_s=deadline_s, max_attempts=max_attempts)
    assert (job.priority, job.deadline_s, job.max_attempts) == (priority, deadline_s, max_attempts)


def test_omitted_fields_have_defaults() -> None:
    job = parsed()
    assert (job.priority, job.max_attempts, job.deadline_s, job.parameters, job.metadata) == (
        4,
        3,
        None,
        None,
        None,
    )
    assert (job.idempotency_key, job.digest) == (None, None)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"model":"echo","input":NaN}', "not JSON"),
        (b'{"model":"echo","input":-Infinity}', "not JSON"),
        (b'{"model":"echo","input":1e999}', "out of range"),
        (b'{"model":"echo","input":"\xff"}', "not UTF-8"),
        (b'{"model":"echo","input":"\\ud800 "}', "not JSON"),
        (b'{"model":"echo","input":' + b"[" * 100_000, "deep"),
        (b'{"model":"echo","input":' + b"[" * 101 + b"]" * 101 + b"}", "deeper"),
        (b"[]", "Expected `object`"),
        (b'{"input":1}', "`model`"),
        (b'{"model":"echo"}', "`input`"),
        (body(model=5), "$.model"),
        (body(colour="red"), "unknown field `colour`"),
        (body(priority=10), "<= 9"),
        (body(priority=-1), ">= 0"),
        (body(priority=True), "$.priority"),
        (body(priority="9"), "$.priority"),
        (body(deadline_s=0), "> 0"),
        (body(deadline_s=-1), "> 0"),
        (body(deadline_s=1e12), "<="),
        (body(max_attempts=0), ">= 1"),
        (body(parameters=[]), "$.parameters"),
        (body(metadata="x"), "$.metadata"),
        (body(cache="never"), "never"),
    ],
)
def test_a_malformed_request_is_refused_with_the_reason(raw: bytes, message: str) -> None:
    with pytest.raises(MalformedRequestError) as caught:
        parse_request(raw)
    assert message in str(caught.value)


def test_the_last_of_equal_keys_wins() -> None:
    assert parse_request(b'{"model":"a","model":"b","input":{"k":1,"k":2}}').input == {"k": 2}
    assert parse_request(b'{"model":"a","model":"b","input":1}').model == "b"


def test_a_callback_is_part_of_the_request_s_digest() -> None:
    url = "https://example.org/"
    assert parsed(callback_url=url).callback_url == url
    assert parsed(callback_url=url, idempotency_key="k").digest != parsed(idempotency_key="k").digest


def test_metadata_has_a_limit() -> None:
    limit = requests.MAX_METADATA_BYTES
    assert parsed(metadata={"k": "x" * (limit - 8)}).metadata is not None
    with pytest.raises(MetadataTooLargeError):
        parsed(metadata={"k": "x" * limit})


def test_the_size_is_the_text_s_where_the_version_pads_and_else_that_in_memory() -> None:
    request = parse_request(body(input={"text": "hello"}))
    assert parse_job(request, Version()).size == memory_bytes(b'{"text":"hello"}')
    assert parse_job(request, Version(padded=True)).size == len(b'{"text":"hello"}')


def test_the_digest_knows_a_request_by_its_meaning() -> None:
    first = parsed(idempotency_key="k", input={"a": 1, "b": 2})
    same = parsed(idempotency_key="other", input={"b": 2, "a": 1}, priority=4, cache="use")
    other = parsed(idempotency_key="k", input={"a": 1, "b": 3})
    assert first.digest == same.digest != other.digest


@pytest.mark.parametrize("key", ["", "x" * 201, "é", "a\nb", "a\x1fb"])
def test_an_idempotency_key_is_short_printable_ascii(key: str) -> None:
    with pytest.raises(MalformedRequestError):
        check_key(key)


def test_a_bulk_calls_key_is_every_items_own() -> None:
    items: list[JobRequest | PlatformError] = [
        parse_request(body()),
        MalformedRequestError(),
        parse_request(body(idempotency_key="mine")),
    ]
    first, error, own = keyed(items, "call")
    assert isinstance(first, JobRequest)
    assert isinstance(own, JobRequest)
    assert (first.idempotency_key, own.idempotency_key) == ("call\x1f0", "mine")
    assert error is items[1]
    assert keyed(items, None) == items


@pytest.mark.parametrize("ndjson", [True, False])
def test_each_bad_item_of_a_bulk_call_has_its_own_error(*, ndjson: bool) -> None:
    raws = [body(), b'{"model":5}', body(idempotency_key="")]
    raw = b"\n".join([*raws, b"  "]) if ndjson else b"[" + b",".join(raws) + b"]"
    assert [type(item) for item in parse_bulk(raw, ndjson=ndjson, most_bytes=MOST)] == [
        JobRequest, MalformedRequestError, MalformedRequestError,
    ]  # fmt: skip


@pytest.mark.parametrize("raw", [b"[]", b"{}", b"5", b"[{]", b"[" * 100_000])
def test_a_bulk_body_that_is_no_list_of_jobs_is_refused(raw: bytes) -> None:
    with pytest.raises(MalformedRequestError):
        parse_bulk(raw, ndjson=False, most_bytes=MOST)


def test_an_empty_ndjson_body_is_refused() -> None:
    with pytest.raises(MalformedRequestError, match="empty"):
        parse_bulk(b"\n \n", ndjson=True, most_bytes=MOST)


def test_too_many_jobs_in_one_call_are_refused() -> None:
    with pytest.raises(BodyTooLargeError):
        parse_bulk(b"[" + b",".join([b"1"] * 10_001) + b"]", ndjson=False, most_bytes=MOST)


def test_a_whole_number_may_be_written_with_a_point_and_an_input_keeps_its_own() -> None:
    request = parse_request(b'{"model": "m", "input": 7.0, "priority": 7.0, "max_attempts": 2e0}')
    assert (request.priority, request.max_attempts) == (7, 2)
    assert isinstance(request.input, float)
    with pytest.raises(MalformedRequestError, match="priority"):
        parse_request(b'{"model": "m", "input": 1, "priority": 7.5}')


@pytest.mark.parametrize("ndjson", [False, True])
def test_an_item_of_a_bulk_call_has_the_limit_of_a_single_call(*, ndjson: bool) -> None:
    small, large = body(), body(input={"text": "x" * MOST})
    raw = small + b"\n" + large if ndjson else b"[" + small + b"," + large + b"]"
    good, refused = parse_bulk(raw, ndjson=ndjson, most_bytes=MOST)
    assert good == parse_request(small)
    assert isinstance(refused, BodyTooLargeError)


BOM = "\ufeff".encode()


def test_a_byte_order_mark_before_utf_8_is_no_part_of_the_json() -> None:
    job = b'{"model": "m", "input": {}}'
    assert parse_request(BOM + job) == parse_request(job)
    assert parse_bulk(BOM + b"[" + job + b"]", ndjson=False, most_bytes=MOST) == [parse_request(job)]
    assert parse_bulk(BOM + job + b"\n" + job, ndjson=True, most_bytes=MOST) == [parse_request(job)] * 2


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-16-le"])
def test_another_encoding_is_named(encoding: str) -> None:
    raw = ("\ufeff" if encoding.endswith("le") else "") + '{"model": "m", "input": {}}'
    with pytest.raises(MalformedRequestError, match="has to be UTF-8"):
        parse_request(raw.encode(encoding))
