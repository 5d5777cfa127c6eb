"""The client's calls on shadows, against scripted answers; sync and async make the same ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import pytest

from jobs.api.docs import shadow_examples as shown
from tests.unit.inference_client.scripted_platform import Script, client, sent

AT = "/api/v1/models/minilm/rules/14/shadow"
Call = Callable[[Any], Any]
CALLS: list[tuple[Call, Any, str, str, Any]] = [
    (lambda c: c.get("minilm", 14), shown.RUNNING, "GET", f"{AT}?alias=default", None),
    (lambda c: c.get("minilm", 14, alias="new"), shown.RUNNING, "GET", f"{AT}?alias=new", None),
    (
        lambda c: c.stop("minilm", 14, reason="warm"),
        shown.STOPPED,
        "POST",
        f"{AT}/stop?alias=default",
        {"reason": "warm"},
    ),
    (lambda c: c.start("minilm", 14), shown.RUNNING, "POST", f"{AT}/start?alias=default", {"reason": ""}),
]


@pytest.mark.parametrize(("call", "answer", "method", "path", "body"), CALLS)
def test_each_call_sends_what_the_api_takes_and_returns_its_answer_typed(
    call: Call, answer: Any, method: str, path: str, body: Any
) -> None:
    result, request = sent(lambda platform: call(platform.shadows), answer)
    assert request == (method, path, body)
    assert set(msgspec.to_builtins(result)) >= set(answer)


def test_the_report_comes_as_a_page_and_as_a_picture() -> None:
    script = Script(httpx.Response(200, text="<title>Shadow"), httpx.Response(200, content=b"\x89PNG"))
    shadows = client(script).shadows
    assert shadows.report_page("minilm", 14) == "<title>Shadow"
    assert shadows.picture("minilm", 14) == b"\x89PNG"
    paths = [request.url.path for request in script.requests]
    assert paths == [f"{AT}/report.html", f"{AT}/times.png"]
