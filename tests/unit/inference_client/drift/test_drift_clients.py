"""The client's calls on drift, against scripted answers; sync and async make the same ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from inference_client import PlatformRefusedError, RemoteDrift
from jobs.api.docs import drift_examples as shown
from tests.unit.inference_client.scripted_platform import Script, client, ok, refusal, sent

AT = "/api/v1/models/digits/drift"
PERIOD = {"since": "2026-01-19T00:00:00Z", "until": "2026-01-26T00:00:00Z", "reason": "a week"}
Call = Callable[[Any], Any]
# A call, the answer to it, and what it sends: method, address and body.
CALLS: list[tuple[Call, Any, str, str, Any]] = [
    (lambda c: c.show("digits"), shown.DRIFT, "GET", f"{AT}?hours=48", None),
    (lambda c: c.show("digits", "2", hours=6), shown.DRIFT, "GET", f"{AT}?version=2&hours=6", None),
    (
        lambda c: c.freeze("digits", "2", **PERIOD),
        shown.FROZEN,
        "POST",
        f"{AT}/reference",
        {"version": "2", **PERIOD},
    ),
    (
        lambda c: c.freeze("digits", "3", like="2"),
        shown.FROZEN,
        "POST",
        f"{AT}/reference",
        {"version": "3", "like": "2"},
    ),
]


@pytest.mark.parametrize(("call", "answer", "method", "path", "body"), CALLS)
def test_each_call_sends_what_the_api_takes_and_returns_its_answer_typed(
    call: Call, answer: Any, method: str, path: str, body: Any
) -> None:
    result, request = sent(lambda platform: call(platform.drift), answer)
    assert request == (method, path, body)
    assert set(msgspec.to_builtins(result)) == set(answer)
    assert set(msgspec.to_builtins(result)["versions"][0]) == set(answer["versions"][0])


def test_the_figures_come_typed_also_past_a_passing_error() -> None:
    script = Script(refusal(503), ok(shown.DRIFT))
    drift: RemoteDrift = client(script).drift.show("digits")
    (version,) = drift.versions
    assert (version.drifting, version.fields[0].hours[-1].psi) == (["output:label"], 0.41)
    assert version.alarms[0].fields["output:label"]["n"] == 1840
    assert version.reference is not None
    assert len(script.requests) == 2


def test_a_refusal_is_raised() -> None:
    with pytest.raises(PlatformRefusedError):
        client(Script(refusal(409))).drift.freeze("digits", "2", like="9")
