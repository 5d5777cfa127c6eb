"""The client's calls on flags, against scripted answers; sync and async make the same ones."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import msgspec
import pytest

from inference_client import PlatformRefusedError
from jobs.api.docs import flag_examples as shown
from tests.unit.inference_client.scripted_platform import Script, client, ok, refusal, sent

AT = "/api/v1/flags/new-tokens"
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
DOCUMENT = {"owner": "us", "expires_at": "2027-03-01T00:00:00Z"}
Call = Callable[[Any], Any]
# A call, the answer to it, and what it sends: method, address and body.
CALLS: list[tuple[Call, Any, str, str, Any]] = [
    (lambda c: c.list(), {"flags": [shown.FLAG]}, "GET", "/api/v1/flags", None),
    (lambda c: c.list(expired=True), {"flags": [shown.FLAG]}, "GET", "/api/v1/flags?expired=true", None),
    (
        lambda c: c.list(expired=False, at=NOON),
        {"flags": [shown.FLAG]},
        "GET",
        "/api/v1/flags?expired=false&at=2026-01-31T12%3A00%3A00%2B00%3A00",
        None,
    ),
    (lambda c: c.get("new-tokens"), shown.SHOWN_FLAG, "GET", AT, None),
    (lambda c: c.get("a/b"), shown.SHOWN_FLAG, "GET", "/api/v1/flags/a%2Fb", None),
    (
        lambda c: c.put("new-tokens", DOCUMENT, reason="why", number=0),
        shown.SHOWN_FLAG,
        "PUT",
        AT,
        {"document": DOCUMENT, "reason": "why", "number": 0},
    ),
    (lambda c: c.remove("new-tokens"), shown.FLAG_REMOVED, "DELETE", AT, None),
    (
        lambda c: c.remove("new-tokens", number=2, reason="done"),
        shown.FLAG_REMOVED,
        "DELETE",
        f"{AT}?number=2&reason=done",
        None,
    ),
    (
        lambda c: c.preview("new-tokens", DOCUMENT, sticky="client", last=5),
        shown.FLAG_PREVIEWED,
        "POST",
        f"{AT}/preview",
        {"document": DOCUMENT, "sticky": "client", "last": 5},
    ),
]


@pytest.mark.parametrize(("call", "answer", "method", "path", "body"), CALLS)
def test_each_call_sends_what_the_api_takes_and_returns_its_answer_typed(
    call: Call, answer: Any, method: str, path: str, body: Any
) -> None:
    result, request = sent(lambda platform: call(platform.flags), answer)
    assert request == (method, path, body)
    assert not unknown_to(result, answer)


def unknown_to(result: Any, answer: Any) -> set[str]:
    """Return the members of an answer that the typed result drops."""
    if isinstance(result, list):
        (members,) = answer.values()
        return unknown_to(result[0], members[0])
    return set(answer) - set(msgspec.to_builtins(result))


def test_who_read_an_older_flag_learns_the_number_that_is_in_force() -> None:
    body = {"status": 409, "code": "flag_conflict", "detail": "read it again", "number": 3}
    script = Script(httpx.Response(409, json=body))
    with pytest.raises(PlatformRefusedError, match="409 flag_conflict"):
        client(script).flags.put("new-tokens", DOCUMENT, number=2)


def test_a_passing_error_is_tried_again() -> None:
    assert client(Script(refusal(503), ok(shown.SHOWN_FLAG))).flags.get("new-tokens").number == 2
