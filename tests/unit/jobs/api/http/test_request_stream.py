"""The rest of a body that was answered unread is received and dropped, within limits."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.requests import Request
from starlette.types import Message

from jobs.api.http import request_stream
from jobs.api.http.asgi_call import Call, ClientGoneError
from jobs.api.http.request_stream import Inflow

PIECE = b"x" * 1_000


def lingered(
    monkeypatch: pytest.MonkeyPatch, *, ends_after: int, stalls: bool = False, **headers: str
) -> int:
    """Return how many pieces were received of a long body."""
    monkeypatch.setattr(request_stream, "LINGER_S", 0.2)
    monkeypatch.setattr(request_stream, "LINGER_BYTES", 10_000)
    received = 0

    async def receive() -> Message:
        nonlocal received
        received += 1
        if stalls and received > ends_after:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": PIECE, "more_body": stalls or received < ends_after}

    async def send(_message: Message) -> None:
        raise AssertionError

    fields = {"content-length": "999999999", **headers}
    pairs = [(name.encode(), value.encode()) for name, value in fields.items()]
    scope: dict[str, Any] = {"type": "http", "http_version": "1.1", "headers": pairs}

    async def linger() -> None:
        inflow = Inflow(Call(Request(scope, receive), send))
        await inflow.ahead()
        assert inflow.size == 0
        await asyncio.wait_for(inflow.linger(), 5)

    asyncio.run(linger())
    return received


def test_it_is_received_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lingered(monkeypatch, ends_after=5) == 5


def test_a_body_without_an_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lingered(monkeypatch, ends_after=1_000_000) == 10


def test_a_client_that_stalls_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lingered(monkeypatch, ends_after=2, stalls=True) == 3


def test_a_client_that_asks_before_it_sends_is_not_told_to_send(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lingered(monkeypatch, ends_after=5, expect="100-continue") == 0


def test_a_body_whose_client_goes_in_the_middle_is_not_taken_for_a_complete_one() -> None:
    messages: list[Message] = [
        {"type": "http.request", "body": PIECE * 100, "more_body": True}, {"type": "http.disconnect"},
    ]  # fmt: skip

    async def receive() -> Message:
        return messages.pop(0)

    async def send(_message: Message) -> None:
        raise AssertionError

    async def read() -> bytes:
        scope = {"type": "http", "http_version": "2", "headers": []}
        inflow = Inflow(Call(Request(scope, receive), send))
        await inflow.ahead()
        return await asyncio.to_thread(inflow.file.read)

    with pytest.raises(ConnectionResetError):
        asyncio.run(read())


def test_nothing_is_done_for_a_client_that_goes_before_a_short_body_has_come() -> None:
    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(_message: Message) -> None:
        raise AssertionError

    scope = {"type": "http", "http_version": "1.1", "headers": [(b"transfer-encoding", b"chunked")]}

    async def begin() -> None:
        await Inflow(Call(Request(scope, receive), send)).ahead()

    with pytest.raises(ClientGoneError):
        asyncio.run(begin())
