"""The client's feedback, against scripted answers; sync and async make the same calls."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from inference_client import GivenFeedback, PlatformRefusedError
from jobs.api.docs import feedback_examples as shown
from tests.unit.inference_client.scripted_platform import Script, both, client, ok, refusal, sent

JOB = str(shown.STORED["job"])


@pytest.mark.parametrize("value", [True, 4, 0.5, "invoice"])
def test_feedback_is_one_call(value: Any) -> None:
    result, (method, url, body) = sent(lambda c: c.feedback(JOB, "clicked", value), shown.STORED)
    assert (method, url, body) == (
        "POST", f"/api/v1/jobs/{JOB}/feedback", {"name": "clicked", "value": value},
    )  # fmt: skip
    assert isinstance(result, GivenFeedback)
    assert (str(result.job), result.name, result.value) == (JOB, "clicked", 1.0)


def test_a_refusal_is_raised_and_a_lost_answer_is_asked_again() -> None:
    with pytest.raises(PlatformRefusedError, match="some detail"):
        client(Script(refusal(409))).feedback(JOB, "clicked", 1)
    script = Script(httpx.ConnectError("gone"), ok(shown.STORED))
    assert client(script).feedback(JOB, "clicked", 1).value == 1.0


def test_many_go_a_thousand_at_a_time_and_keep_their_places() -> None:
    def outcomes(count: int) -> httpx.Response:
        items = [{"index": n, "job": JOB, "name": "clicked", "value": 1, "new": True} for n in range(count)]
        return ok({"accepted": count, "rejected": 0, "feedback": items})

    items = [{"job": JOB, "name": "clicked", "value": 1}] * 1_200
    script = Script(outcomes(1_000), outcomes(200))
    found = client(script).feedback_many(items)
    assert [outcome.index for outcome in found] == list(range(1_200))
    assert [request.url.path for request in script.requests] == ["/api/v1/feedback"] * 2
    assert both(Script(outcomes(1_000), outcomes(200)), lambda c: c.feedback_many(items)) == found


def test_a_refused_item_has_its_problem() -> None:
    found, _ = sent(lambda c: c.feedback_many([{}, {}]), shown.OUTCOMES)
    assert found[0].new
    assert found[1].problem.code == "feedback_conflict"


def test_the_page_of_a_report_is_text() -> None:
    script = Script(httpx.Response(200, text="<!doctype html>"))
    assert client(script).rollouts.ab_page("minilm", 15, alias="fast") == "<!doctype html>"
    (request,) = script.requests
    assert request.url.raw_path == b"/api/v1/models/minilm/rules/15/report.html?alias=fast"
    again = Script(httpx.Response(200, text="<!doctype html>"))
    assert both(again, lambda c: c.rollouts.ab_page("minilm", 15, alias="fast")) == "<!doctype html>"
