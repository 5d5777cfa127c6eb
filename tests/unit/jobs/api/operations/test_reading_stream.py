"""A stream of readings ends for a page that takes none, so that its place is for others."""

from __future__ import annotations

import asyncio

import pytest
from starlette.requests import Request
from starlette.types import Message

from jobs.api.http.asgi_call import AsgiResponse, Call, ClientGoneError
from jobs.api.operations import reading_stream
from jobs.api.operations.reading_stream import PERMITTED, READINGS, ReadingStreams
from jobs.api.operations.watchers import Watchers
from tests.support.readings import OneReading


class StuckPage:
    """An open page that takes the first pieces of its answer and then reads no more."""

    def __init__(self, taken: int) -> None:
        self._room = asyncio.Semaphore(taken)

    async def receive(self) -> Message:
        await asyncio.Event().wait()  # it stays
        raise AssertionError

    async def send(self, _message: Message) -> None:
        await self._room.acquire()


def call_of(page: StuckPage) -> Call:
    scope = {"type": "http", "method": "GET", "path": READINGS, "headers": [], "http_version": "1.1"}
    return Call(Request(scope, page.receive), page.send)


def test_a_page_that_takes_nothing_loses_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_stream, "TAKEN_S", 0.05)

    async def scenario() -> int:
        streams = ReadingStreams()
        streams._watchers = watchers = Watchers(OneReading())
        with pytest.raises(ClientGoneError):
            # Its status, the preamble and the first reading; the second is not taken.
            await streams.answer(call_of(StuckPage(3)), AsgiResponse(PERMITTED))
        return watchers._number

    assert asyncio.run(asyncio.wait_for(scenario(), 5)) == 0
