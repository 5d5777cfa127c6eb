"""The client's calls on backtests, against scripted answers; sync and async make the same ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import pytest

from inference_client import RemoteBacktest
from inference_client.backtest_answers import ENDED_BACKTESTS
from jobs.api.docs import backtest_examples as shown
from jobs.models.rollouts.version_trial import TrialState
from tests.unit.inference_client.scripted_platform import Script, client, ok, refusal, sent

AT = "/api/v1/backtests/5"
BEGIN = "/api/v1/models/minilm/backtests"
LABELLED = {"version": "2", "against": "1", "most": 9, "labels": {"id": "7"}, "filter": {"priority": 3}}
Call = Callable[[Any], Any]
# A call, the answer to it, and what it sends: method, address and body.
CALLS: list[tuple[Call, Any, str, str, Any]] = [
    (lambda c: c.start("minilm", "2"), shown.WAITING, "POST", BEGIN, {"version": "2"}),
    (
        lambda c: c.start("minilm", "2", against="1", most=9, labels={"id": "7"}, filter={"priority": 3}),
        shown.WAITING,
        "POST",
        BEGIN,
        LABELLED,
    ),
    (lambda c: c.get(5), shown.ENDED, "GET", AT, None),
    (lambda c: c.wait(5), shown.ENDED, "GET", AT, None),
    (lambda c: c.cancel(5), shown.CANCELLED, "POST", f"{AT}/cancel", None),
]


@pytest.mark.parametrize(("call", "answer", "method", "path", "body"), CALLS)
def test_each_call_sends_what_the_api_takes_and_returns_its_answer_typed(
    call: Call, answer: Any, method: str, path: str, body: Any
) -> None:
    result, request = sent(lambda platform: call(platform.backtests), answer)
    assert request == (method, path, body)
    assert set(msgspec.to_builtins(result)) >= set(answer)


def test_a_wait_reads_on_until_the_end_also_past_a_passing_error() -> None:
    script = Script(ok(shown.WAITING), refusal(503), ok(shown.ENDED))
    ended: RemoteBacktest = client(script).backtests.wait(5)
    assert (ended.state, ended.ended, len(script.requests)) == ("done", True, 3)


def test_a_wait_ends_with_its_time() -> None:
    with pytest.raises(TimeoutError, match="backtest 5 is waiting after 0 s"):
        client(Script(ok(shown.WAITING))).backtests.wait(5, timeout_s=0)


def test_the_report_comes_as_a_page() -> None:
    script = Script(httpx.Response(200, text="<title>Backtest 5"))
    assert client(script).backtests.report_page(5) == "<title>Backtest 5"
    assert script.requests[0].url.path == f"{AT}/report.html"


def test_the_ends_of_the_client_are_those_of_the_platform() -> None:
    assert set(TrialState) - {TrialState.WAITING, TrialState.RUNNING} == ENDED_BACKTESTS
