"""The ASGI application routes calls as Django's own routes do, and knows no other protocol than HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from starlette.types import Message, Scope

from jobs.api.app import CallEndpoint, Server
from jobs.api.http.asgi_call import Call
from jobs.api.http.wsgi_threads import Threads
from jobs.core.log_context import known_ids

JOB = "01a22355-bc1f-7a31-8ce4-d92f099269aa"


def handler(_environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    start("204 No Content", [])
    return [b""]


def messages_of(scope: Scope) -> list[Message]:
    """Send one connection to a server and return what it sends."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(Server(handler)(scope, receive, send))
    return sent


def http(method: str, path: str, query: str = "") -> Scope:
    server = {"server": ("here", 80), "client": ("there", 1), "scheme": "http", "http_version": "1.1"}
    target = {"path": path, "raw_path": path.encode(), "root_path": "", "query_string": query.encode()}
    return {"type": "http", "method": method, "headers": [], **target, **server}


@pytest.mark.parametrize(
    ("method", "path", "query", "waits"),
    [
        ("GET", f"/api/v1/jobs/{JOB}", "wait=1", True),
        ("GET", f"/api/v1/jobs/{JOB}/events", "", True),
        ("GET", f"/api/v1/jobs/{JOB}", "", False),
        ("GET", f"/api/v1/jobs/{JOB}", "wait=", False),
        ("POST", f"/api/v1/jobs/{JOB}/events", "", False),
        ("HEAD", f"/api/v1/jobs/{JOB}", "wait=1", False),
        ("GET", f"/api/v1/jobs/{JOB.upper()}", "wait=1", False),
        ("GET", f"/api/v1/jobs/{JOB.replace('-', '')}", "wait=1", False),
        ("GET", "/api/v1/jobs", "", False),
        ("PUT", "/api/v1/jobs", "", False),
        ("POST", "/api/v1/jobs/", "", False),
        ("POST", "/api/v1/jobs\n", "", False),
    ],
)
def test_a_call_that_waits_stays_on_the_event_loop_and_any_other_goes_to_django(
    method: str,
    path: str,
    query: str,
    waits: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def wait(_job: object, call: Call, _hub: object) -> None:
        await call.answer(200, b"waited", {})

    monkeypatch.setattr("jobs.api.app.answer_job", wait)
    monkeypatch.setattr("jobs.api.app.answer_events", wait)
    monkeypatch.setattr(Server, "hub", None)
    assert messages_of(http(method, path, query))[0]["status"] == (200 if waits else 204)


def test_a_submit_without_a_token_is_refused_on_the_event_loop() -> None:
    assert messages_of(http("POST", "/api/v1/jobs"))[0]["status"] == 401


def test_log_lines_of_a_call_know_its_id_and_no_other_s_on_the_loop_and_on_threads() -> None:
    seen, threads = list[tuple[str, ...]](), Threads(handler)
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"

    async def answer(call: Call) -> None:
        await asyncio.sleep(0)
        on_thread = await threads.run(lambda _: known_ids(), None)
        assert (on_thread["trace_id"], known_ids()["trace_id"]) == (trace, trace)
        seen.append((call.request_id, str(known_ids()["request_id"]), str(on_thread["request_id"])))
        await call.answer(200, b"", {})

    async def send(_: Message) -> None: ...

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def ask_all() -> None:
        traced = (b"traceparent", f"00-{trace}-00f067aa0ba902b7-01".encode())
        scopes = [
            {**http("GET", "/"), "headers": [(b"x-request-id", str(number).encode()), traced]}
            for number in range(20)
        ]
        await asyncio.gather(*(CallEndpoint(answer)(scope, receive, send) for scope in scopes))

    asyncio.run(ask_all())
    assert sorted(seen) == sorted((str(number),) * 3 for number in range(20))
    assert known_ids() == {}


def test_a_web_socket_is_closed() -> None:
    (message,) = messages_of({"type": "websocket", "path": "/api/v1/jobs", "headers": [], "root_path": ""})
    assert message["type"] == "websocket.close"
