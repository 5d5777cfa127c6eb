"""A platform by script: its answers, one after the other, and the requests that it got."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx

from inference_client import AsyncClient, Client, Patience

URL = "http://platform.test"
ID = str(uuid4())
AT_ONCE = Patience(tries=3, base_s=0.0)


def view(state: str = "queued", **more: Any) -> dict[str, Any]:
    paths = {name: f"{URL}/api/v1/jobs/{ID}/{name}" for name in ("wait", "cancel", "events")}
    return {
        "id": ID,
        "state": state,
        "model": "echo",
        "version": "1",
        "attempts": 0,
        "created_at": "2026-01-01T00:00:00Z",
        "urls": {"self": f"{URL}/api/v1/jobs/{ID}", **paths},
        **more,
    }


class Script:
    """Gives one answer after the other, and keeps the requests."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers, self.requests = list(answers), list[httpx.Request]()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def ok(body: Any, status: int = 200) -> httpx.Response:
    return httpx.Response(status, json=body)


def refusal(status: int, retry_after: str | None = None) -> httpx.Response:
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    body = {"status": status, "code": "some_code", "detail": "some detail", "title": "Some"}
    return httpx.Response(status, json=body, headers=headers)


def client(script: Script, patience: Patience = AT_ONCE) -> Client:
    return Client(URL, "secret", patience=patience, transport=httpx.MockTransport(script))


def sent(call: Callable[[Any], Any], answer: Any) -> tuple[Any, tuple[str, str, Any]]:
    """Return the result of a call that gets `answer`, and its method, address and body.

    The async client has to make the same of it.
    """
    script = Script(ok(answer))
    result = call(client(script))
    (request,) = script.requests
    again = Script(ok(answer))
    assert both(again, call) == result
    assert [request_again.content for request_again in again.requests] == [request.content]
    body = json.loads(request.content) if request.content else None
    return result, (request.method, request.url.raw_path.decode(), body)


def both(script: Script, call: Callable[[Any], Any]) -> Any:
    """Return the result of `call` with the async client; the tests call the sync one themselves."""

    async def run() -> Any:
        transport = httpx.MockTransport(script)
        async with AsyncClient(URL, "secret", patience=AT_ONCE, transport=transport) as platform:
            return await call(platform)

    return asyncio.run(run())
