import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.core.reuse.key import AnswerScope, Reuse, answer_key, reuse
from jobs.core.submission.parsed_job import ParsedJob, parse_job
from jobs.core.submission.request import parse_request
from models_registry.core.options import PlatformOptions
from tests.support.versions import Version


def admitted(options: dict[str, Any], *, version: int = 7, **changes: Any) -> ParsedJob:
    raw = json.dumps({"model": "echo", "input": {"a": 1, "b": 2}} | changes).encode()
    return parse_job(parse_request(raw), Version(id=version, platform_options=PlatformOptions.of(options)))


def shared(client: int = 1, ttl_s: float = 60.0, generation: int = 0, **request: Any) -> Reuse:
    options = reuse(admitted({"cache_ttl_s": ttl_s}, **request), client=client, generation=generation)
    assert options is not None
    return options


def test_equal_requests_have_one_key_in_any_spelling_and_with_any_other_fields() -> None:
    first = shared()
    others = [
        shared(input={"b": 2, "a": 1}),
        shared(priority=9, max_attempts=1, deadline_s=5, metadata={"m": 1}, idempotency_key="k"),
        shared(parameters={}),
        shared(cache="refresh"),
    ]
    assert {other.key for other in others} == {first.key}


@pytest.mark.parametrize(
    "other",
    [
        {"input": {"a": 1, "b": 3}},
        {"parameters": {"a": 1}},
        {"client": 2},
        {"version": 8},
        {"generation": 1},
    ],
)
def test_another_input_parameter_client_version_or_generation_is_another_key(other: dict[str, Any]) -> None:
    assert shared(**other).key != shared().key


Number = st.integers(1, 30)
Document = st.binary(max_size=6)


@given(st.lists(st.tuples(Number, Number, Number, Document, st.none() | Document), min_size=2))
def test_no_two_different_requests_share_a_key(
    requests: list[tuple[int, int, int, bytes, bytes | None]],
) -> None:
    keys = {answer_key(AnswerScope(v, g, c), body=b, parameters=p) for v, g, c, b, p in requests}
    assert len(keys) == len(set(requests))


@pytest.mark.parametrize(
    ("cache", "options", "takes", "follows"),
    [
        ("use", {"cache_ttl_s": 1}, True, True),
        ("use", {"cache_ttl_s": 1, "collapse": False}, True, False),
        ("use", {"collapse": True}, False, True),
        ("refresh", {"cache_ttl_s": 1}, False, False),
    ],
)
def test_a_request_uses_the_cache_as_it_and_its_version_allow(
    cache: str, options: dict[str, Any], *, takes: bool, follows: bool
) -> None:
    result = reuse(admitted(options, cache=cache), client=1, generation=0)
    assert result is not None
    assert (result.takes, result.follows) == (takes, follows)


@pytest.mark.parametrize(("cache", "options"), [("bypass", {"cache_ttl_s": 1}), ("use", {}), ("refresh", {})])
def test_a_bypass_and_a_version_without_a_cache_share_nothing(cache: str, options: dict[str, Any]) -> None:
    assert reuse(admitted(options, cache=cache), client=1, generation=0) is None
