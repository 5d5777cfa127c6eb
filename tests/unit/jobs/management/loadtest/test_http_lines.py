"""Connections: kept for the next call, opened where none is free up to a limit, replaced where they ended."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from jobs.management.loadtest.http_lines import HttpLines, NoLineError

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class CountingServer:
    """Answers with given bytes; None closes the connection instead."""

    def __init__(self, *answers: bytes | None, pause_s: float = 0.0) -> None:
        self.answers, self.pause_s, self.connections = list(answers), pause_s, 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            with suppress(OSError):
                await self._answer(reader, writer)
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65_536):
            await asyncio.sleep(self.pause_s)
            answer = self.answers.pop(0) if self.answers else OK
            if answer is None:
                return
            writer.write(answer)


def asked(server: CountingServer, calls: int, *, most: int = 10, at_once: bool = False) -> list[object]:
    """Return the bodies of the answers, or the errors, of calls one after the other or at once."""

    async def ask() -> list[object]:
        listening = await asyncio.start_server(server, "127.0.0.1", 0)
        lines = HttpLines(most=most)
        url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/x"
        try:
            coroutines = [lines.ask("POST", url, [], b"body", limit_s=5) for _ in range(calls)]
            if at_once:
                replies = await asyncio.gather(*coroutines, return_exceptions=True)
            else:
                replies = [
                    (await asyncio.gather(coroutine, return_exceptions=True))[0] for coroutine in coroutines
                ]
        finally:
            lines.close()
            listening.close()
            await asyncio.sleep(0.01)  # the server's tasks see the end
        return [reply if isinstance(reply, BaseException) else reply.body for reply in replies]

    return asyncio.run(ask())


def test_a_connection_is_kept_for_the_next_call() -> None:
    server = CountingServer()
    assert asked(server, 3) == [b"ok"] * 3
    assert server.connections == 1


def test_no_call_waits_for_a_connection() -> None:
    server = CountingServer(pause_s=0.1)
    assert asked(server, 5, at_once=True) == [b"ok"] * 5
    assert server.connections == 5


def test_over_the_limit_a_call_is_not_sent() -> None:
    replies = asked(CountingServer(pause_s=0.1), 3, most=2, at_once=True)
    assert sorted(map(type, replies), key=str) == sorted([NoLineError, bytes, bytes], key=str)


def test_a_connection_that_the_server_closed_is_replaced() -> None:
    server = CountingServer(OK, None, OK)
    assert asked(server, 2) == [b"ok"] * 2
    assert server.connections == 2


def test_a_call_on_a_new_connection_without_an_answer_has_failed() -> None:
    (error,) = asked(CountingServer(None), 1)
    assert isinstance(error, EOFError)


@pytest.mark.parametrize(
    "answer", [b"no HTTP at all\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"]
)
def test_an_answer_that_is_no_http_is_an_error_and_no_crash(answer: bytes) -> None:
    (error,) = asked(CountingServer(answer), 1)
    assert isinstance(error, Exception)


def test_an_answer_that_comes_in_pieces_is_read_whole() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n"
    assert asked(CountingServer(chunked, OK), 2) == [b"abcde", b"ok"]
