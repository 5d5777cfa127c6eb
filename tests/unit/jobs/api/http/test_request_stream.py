"""The rest of a body that was answered unread is received and dropped, within limits."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.requests import Request
from starlette.types import Message, Receive

from jobs.api.http import request_stream
from jobs.api.http.asgi_call import Call, ClientGoneError
from jobs.api.http.body_room import BodyRoom
from jobs.api.http.request_stream import Inflow
from jobs.core.errors import BodyTooLargeError, SlowBodyError

PIECE = b"x" * 1_000


def lingered(
    monkeypatch: pytest.MonkeyPatch,
    *,
    ends_after: int,
    stalls: bool = False,
    headers: dict[str, str] | None = None,
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

    fields = {"transfer-encoding": "chunked", **(headers or {})}
    pairs = [(name.encode(), value.encode()) for name, value in fields.items()]
    scope: dict[str, Any] = {"type": "http", "http_version": "1.1", "headers": pairs}

    async def linger() -> None:
        inflow = Inflow(Call(Request(scope, receive), send))
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
    assert lingered(monkeypatch, ends_after=5, headers={"expect": "100-continue"}) == 0


def test_a_body_whose_client_goes_in_the_middle_is_not_taken_for_a_complete_one() -> None:
    messages: list[Message] = [
        {"type": "http.request", "body": PIECE * 100, "more_body": True}, {"type": "http.disconnect"},
    ]  # fmt: skip

    async def receive() -> Message:
        return messages.pop(0)

    with pytest.raises(ClientGoneError):
        asyncio.run(gathered(receive, http_version="2"))


def test_nothing_is_done_for_a_client_that_goes_before_a_short_body_has_come() -> None:
    async def receive() -> Message:
        return {"type": "http.disconnect"}

    with pytest.raises(ClientGoneError):
        asyncio.run(gathered(receive, headers=[(b"transfer-encoding", b"chunked")]))


def test_a_client_that_announces_more_than_it_can_drop_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    length = str(10**13)
    assert lingered(monkeypatch, ends_after=5, headers={"content-length": length}) == 0


def test_an_endless_body_is_refused_at_its_limit() -> None:
    async def receive() -> Message:
        return {"type": "http.request", "body": PIECE, "more_body": True}

    with pytest.raises(BodyTooLargeError):
        asyncio.run(gathered(receive, headers=[(b"transfer-encoding", b"chunked")]))


def test_a_body_that_others_drive_out_is_given_up_at_once() -> None:
    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def driven_out() -> None:
        room = BodyRoom(most=1, most_bytes=1_000)
        inflow = Inflow(Call(Request(scope_of(headers=[(b"content-length", b"9")]), receive), no_send))
        visit = room.enter((), 0)
        waiting = asyncio.ensure_future(inflow.gather(9, room, visit))
        await asyncio.sleep(0)
        visit.give_up()
        await asyncio.wait_for(waiting, 5)

    with pytest.raises(SlowBodyError):
        asyncio.run(driven_out())


async def no_send(_message: Message) -> None:
    raise AssertionError


def scope_of(**changed: Any) -> dict[str, Any]:
    return {"type": "http", "http_version": "1.1", "headers": [], **changed}


async def gathered(receive: Receive, **changed: Any) -> None:
    inflow = Inflow(Call(Request(scope_of(**changed), receive), no_send))
    room = BodyRoom(most=1, most_bytes=10_000_000)
    try:
        await inflow.gather(1_000_000, room, room.enter((), 0))
    finally:
        inflow.close()
        assert room.is_empty
