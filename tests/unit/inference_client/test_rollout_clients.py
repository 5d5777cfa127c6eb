"""The client's calls on rules and roll-outs, against scripted answers; sync and async make the same ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import pytest

from inference_client import PlatformRefusedError, RolloutChange
from inference_client.rollout_answers import ENDED
from jobs.api.docs import feedback_examples
from jobs.api.docs import rollout_examples as shown
from models_registry.core.rollouts.rollout_states import LIVE, RolloutState
from tests.unit.inference_client.scripted_platform import Script, both, client, ok, refusal, sent

AT = "/api/v1/rollouts/3"
MODEL = "/api/v1/models/minilm"
START = {"candidate": "2", "alias": "default", "reason": "better", "ticket": ""}
Call = Callable[[Any], Any]
# A call, the answer to it, and what it sends: method, address and body.
CALLS: list[tuple[Call, Any, str, str, Any]] = [
    (lambda c: c.start("minilm", "2", reason="better"), shown.ROLLOUT, "POST", f"{MODEL}/rollouts", START),
    (
        lambda c: c.start("minilm", "2", alias="fast", plan={"steps": [100]}, ticket="ML-31"),
        shown.ROLLOUT,
        "POST",
        f"{MODEL}/rollouts",
        {"candidate": "2", "alias": "fast", "plan": {"steps": [100]}, "reason": "", "ticket": "ML-31"},
    ),
    (lambda c: c.get(3), shown.ROLLOUT, "GET", AT, None),
    (lambda c: c.pause(3, reason="why"), shown.HELD, "POST", f"{AT}/pause", {"reason": "why"}),
    (lambda c: c.resume(3), shown.ROLLOUT, "POST", f"{AT}/resume", {"reason": ""}),
    (lambda c: c.promote(3), shown.ROLLOUT, "POST", f"{AT}/promote", {"reason": ""}),
    (
        lambda c: c.promote(3, anyway="by hand"),
        shown.ROLLOUT,
        "POST",
        f"{AT}/promote",
        {"anyway": "by hand", "reason": ""},
    ),
    (lambda c: c.roll_back(3), shown.ROLLED_BACK, "POST", f"{AT}/roll_back", {"reason": ""}),
    (lambda c: c.cancel(3), shown.CANCELLED, "POST", f"{AT}/cancel", {"reason": ""}),
    (
        lambda c: c.approve(3, sha256="ab"),
        shown.ROLLOUT,
        "POST",
        f"{AT}/approve",
        {"sha256": "ab", "reason": ""},
    ),
    (lambda c: c.budget(3, 9), shown.LARGER_BUDGET, "POST", f"{AT}/budget", {"budget": 9, "reason": ""}),
    (lambda c: c.record(3), shown.RECORD, "GET", f"{AT}/record", None),
    (
        lambda c: c.ab_report("minilm", 15),
        feedback_examples.REPORT,
        "GET",
        f"{MODEL}/rules/15/report?alias=default",
        None,
    ),
    (
        lambda c: c.rules("minilm", alias="fast"),
        {"rules": [shown.RULE]},
        "GET",
        f"{MODEL}/rules?alias=fast",
        None,
    ),
    (
        lambda c: c.put_rule("minilm", {"stable": "1"}, reason="slow"),
        shown.RULE,
        "POST",
        f"{MODEL}/rules",
        {"document": {"stable": "1"}, "alias": "default", "reason": "slow"},
    ),
    (
        lambda c: c.preview("minilm", {"stable": "1"}, last=5),
        shown.PREVIEWED,
        "POST",
        f"{MODEL}/rules/preview",
        {"document": {"stable": "1"}, "alias": "default", "last": 5},
    ),
    (
        lambda c: c.list(state="held"),
        {"rollouts": [shown.CHANGE]},
        "GET",
        "/api/v1/rollouts?state=held",
        None,
    ),
]


@pytest.mark.parametrize(("call", "answer", "method", "path", "body"), CALLS)
def test_each_call_sends_what_the_api_takes_and_returns_its_answer_typed(
    call: Call, answer: Any, method: str, path: str, body: Any
) -> None:
    result, request = sent(lambda platform: call(platform.rollouts), answer)
    assert request == (method, path, body)
    assert not unknown_to(result, answer)


def unknown_to(result: Any, answer: Any) -> set[str]:
    """Return the members of an answer that the typed result drops."""
    if isinstance(result, list):
        (members,) = answer.values()
        return unknown_to(result[0], members[0])
    return set(answer) - set(msgspec.to_builtins(result))


def test_the_ends_of_the_client_are_those_of_the_table() -> None:
    assert {state.value for state in RolloutState if state not in LIVE} == ENDED


def test_a_second_start_names_the_live_one() -> None:
    body = {"status": 409, "code": "rollout_conflict", "detail": "it is running", "rollout": 3}
    script = Script(httpx.Response(409, json=body))
    with pytest.raises(PlatformRefusedError, match="409 rollout_conflict") as caught:
        client(script).rollouts.start("minilm", "2")
    assert caught.value.problem.rollout == 3


def test_a_passing_error_is_tried_again() -> None:
    assert client(Script(refusal(503), ok(shown.ROLLOUT))).rollouts.get(3).met == 41


def test_the_record_comes_as_a_page_too() -> None:
    script = Script(httpx.Response(200, text="# Roll-out 3"))
    assert client(script).rollouts.record_page(3) == "# Roll-out 3"
    assert script.requests[0].headers["Accept"] == "text/markdown"
    page = both(Script(httpx.Response(200, text="# Roll-out 3")), lambda p: p.rollouts.record_page(3))
    assert page == "# Roll-out 3"


def streams() -> list[httpx.Response | Exception]:
    change, end = shown.EVENTS.values()
    return [
        httpx.Response(200, text=f"retry: 1000\n\n{change}: still here\n\n"),  # the connection ends early
        httpx.ReadError("cut"),
        httpx.Response(200, text=f"retry: 1000\n\n{end}"),
    ]


def test_a_watch_goes_on_after_lost_connections_and_ends_with_the_roll_out() -> None:
    script = Script(*streams())
    seen = list(client(script).rollouts.watch(3))
    assert [(change.state, change.share) for change in seen] == [("running", 0.01), ("rolled_back", 0.0)]
    assert [change.ended for change in seen] == [False, True]
    last = [request.headers.get("Last-Event-ID") for request in script.requests]
    assert last == [None, "0c7d1f9be2a74f5a", "0c7d1f9be2a74f5a"]
    assert {request.url.path for request in script.requests} == {f"{AT}/events"}

    async def watched(platform: Any) -> list[RolloutChange]:
        return [change async for change in platform.rollouts.watch(3)]

    assert both(Script(*streams()), watched) == seen
