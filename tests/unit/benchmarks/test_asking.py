"""The load of the quiet benchmark, against a server that answers at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.benchmarks.asking import LOADS, Asker, Load, measured
from tests.benchmarks.wire import length

DONE = b'{"id":"1","state":"succeeded"}'
QUEUED = b'{"id":"1","state":"queued"}'


async def load_a_server(load: Load, body: bytes) -> tuple[dict[str, Any], set[int]]:
    """Return what the load measured, and how many requests each connection sent."""
    requests, served = dict[int, int](), set[asyncio.Task[Any] | None]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.add(asyncio.current_task())
        number = len(requests)
        requests[number] = 0
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(length(head))
                assert b"Prefer: wait=" in head
                requests[number] += 1
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        except asyncio.IncompleteReadError:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        asker = Asker(f"http://127.0.0.1:{port}", "token", "sleeper")
        result = await measured(asker, load, 0.05, 0.2)
        asker.close()
        await asyncio.gather(*filter(None, served))
    return result, set(requests)


@pytest.mark.parametrize(("kind", "words"), [("open", ("200", "1")), ("closed", ("3",))])
def test_every_call_has_its_wait(
    kind: str, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    make: Callable[..., Load] = LOADS[kind]
    result, connections = asyncio.run(load_a_server(make(*words), DONE))
    assert len(result["waits_s"]) > 10
    assert min(result["waits_s"]) > 0
    assert result["unanswered"] == 0
    assert kind == "open" or len(connections) == 3
    assert capsys.readouterr().out == "begun\nended\n"


def test_a_call_without_a_result_is_counted() -> None:
    result, _ = asyncio.run(load_a_server(LOADS["closed"]("1"), QUEUED))
    assert result["unanswered"] >= len(result["waits_s"]) > 0
