"""A TCP proxy between two parts, which can be cut, go dark, half open or slow.

A `Link` stands before one server; `Network` runs several on a thread's event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from threading import Thread
from typing import Self

CHUNK_BYTES = 65_536
LAST_S = 5.0  # for the tasks to end by themselves once every connection is cut


class Mode(StrEnum):
    """How a link treats the data that passes."""

    OPEN = "open"
    CUT = "cut"  # every connection is reset, and each new one too
    DARK = "blackhole"  # nothing passes and no side learns of it; held data passes afterwards
    HALF_OPEN = "half-open"  # the server's side is gone, and the client learns of it at the end only
    GHOST = "ghost"  # the client's side is gone, and the server learns of it at the end only


@dataclass(eq=False)
class Pair:
    """One connection: the client's side and the server's."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter | None = None
    lost: bool = False  # one side is gone, and the other has not learned of it
    silent: bool = False  # nothing passes any more, and neither side learns of it
    answer_latency_s: float = 0.0

    def abort(self) -> None:
        for writer in (self.client, self.server):
            if writer is not None:
                reset(writer)


@dataclass
class Link:
    """A listening port that leads to `upstream`; its methods are for the loop's thread."""

    port: int
    upstream: tuple[str, int]
    mode: Mode = Mode.OPEN
    latency_s: float = 0.0
    answer_latency_s: float = 0.0
    pairs: set[Pair] = field(default_factory=set)
    disturbed: int = 0  # connections that were cut, refused, lost or silenced, and chunks held or delayed
    passing: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self) -> None:
        self.passing.set()
        self.server = await asyncio.start_server(self.accept, "127.0.0.1", self.port)

    def turn(self, mode: Mode) -> None:
        """Change to `mode`; when it is open again, reset the pairs that lost a side."""
        self.mode = mode
        dark = mode in {Mode.DARK, Mode.HALF_OPEN}
        (self.passing.clear if dark else self.passing.set)()
        for pair in list(self.pairs):
            if mode is Mode.CUT or pair.lost:
                pair.abort()
            elif mode is Mode.HALF_OPEN and pair.server is not None:
                pair.lost = True
                reset(pair.server)
            elif mode is Mode.GHOST:
                pair.lost = True
                reset(pair.client)
            self.disturbed += mode in {Mode.CUT, Mode.HALF_OPEN, Mode.GHOST}

    def silence(self) -> None:
        """Let nothing more pass on the present connections, like a firewall that forgot them."""
        for pair in self.pairs:
            pair.silent = True
            self.disturbed += 1

    def slow(self, latency_s: float, answer_latency_s: float) -> None:
        self.latency_s, self.answer_latency_s = latency_s, answer_latency_s

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pair = Pair(writer)
        if self.mode is Mode.CUT:
            self.disturbed += 1
            return pair.abort()
        self.pairs.add(pair)
        try:
            await self._join(pair, reader)
        except OSError:
            pass
        finally:
            self.pairs.discard(pair)
            pair.abort()

    async def _join(self, pair: Pair, reader: asyncio.StreamReader) -> None:
        await self.passing.wait()
        back, pair.server = await asyncio.open_connection(*self.upstream)
        there = self._pump(pair, reader, pair.server, lambda: self.latency_s)
        home = self._pump(
            pair, back, pair.client, lambda: self.latency_s + self.answer_latency_s + pair.answer_latency_s
        )
        await asyncio.gather(there, home)

    async def _pump(
        self,
        pair: Pair,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        delay: Callable[[], float],
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK_BYTES):
                self.disturbed += delay() > 0 or not self.passing.is_set()
                await asyncio.sleep(delay())
                await self.passing.wait()
                if pair.silent:
                    continue
                writer.write(data)
                await writer.drain()
        if pair.silent:
            await self.ended.wait()
        while pair.lost and not self.ended.is_set():  # until the other side may learn of it
            await asyncio.sleep(0.05)
            if self.mode is Mode.OPEN:
                break
        if pair.server is not None:
            pair.abort()


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with a reset, as a firewall does, without waiting for written data."""
    raw = writer.get_extra_info("socket")
    if raw is not None and raw.fileno() >= 0:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    writer.transport.abort()


def _port(writer: asyncio.StreamWriter, side: str) -> int:
    address = writer.get_extra_info(side)
    return int(address[1]) if address else 0


class Network:
    """Links by name, open during a `with` block; the methods may be called from any thread."""

    def __init__(self, links: dict[str, Link]) -> None:
        self.links = links
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        for link in self.links.values():
            asyncio.run_coroutine_threadsafe(link.serve(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def turn(self, name: str, mode: Mode) -> None:
        self._call(partial(self.links[name].turn, mode))

    def silence(self, name: str) -> None:
        self._call(self.links[name].silence)

    def slow(self, name: str, latency_s: float = 0.0, *, answer_latency_s: float = 0.0) -> None:
        self._call(partial(self.links[name].slow, latency_s, answer_latency_s))

    def disturbed(self, name: str) -> int:
        """Return how many connections and chunks of the link were disturbed so far."""
        return self.links[name].disturbed

    def server_ports(self, name: str) -> dict[int, int]:
        """Return, by the port of each client, the port that the server sees instead."""
        pairs = [pair for pair in list(self.links[name].pairs) if pair.server is not None]
        return {_port(pair.client, "peername"): _port(pair.server, "sockname") for pair in pairs}  # type: ignore[arg-type]

    def slow_clients(self, name: str, ports: Collection[int], answer_latency_s: float) -> None:
        """Delay the answers to the present connections from these ports alone."""

        def slow() -> None:
            for pair in self.links[name].pairs:
                if _port(pair.client, "peername") in ports:
                    pair.answer_latency_s = answer_latency_s

        self._call(slow)

    def _call(self, act: Callable[[], None]) -> None:
        async def run() -> None:
            act()

        asyncio.run_coroutine_threadsafe(run(), self._loop).result(10)

    async def _end(self) -> None:
        for link in self.links.values():
            link.server.close()
            link.ended.set()
            link.turn(Mode.CUT)
        until = self._loop.time() + LAST_S
        while (tasks := asyncio.all_tasks() - {asyncio.current_task()}) and self._loop.time() < until:
            await asyncio.wait(tasks, timeout=0.1)
