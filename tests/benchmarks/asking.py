"""Apps that ask one job at a time with `Prefer: wait`, in a process of their own and over bare sockets.

python -m tests.benchmarks.asking URL TOKEN MODEL WARM_S SECONDS open PER_SECOND SEED
python -m tests.benchmarks.asking URL TOKEN MODEL WARM_S SECONDS closed CONNECTIONS

`open`: each POST is sent at its moment of a seeded Poisson process; `closed`: each connection sends its next
POST when it has its answer. Prints a line at the end of the warm-up, a line with the last answer, so that
another process can measure exactly between the two, and then one JSON object: `cpu_s` between the two lines,
`seconds`, `waits_s`, from the moment when each POST was due until its answer, and `unanswered`, how many
calls of both phases came back without a result.
"""

from __future__ import annotations

import asyncio
import json
import selectors
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.benchmarks.poisson_client import Answers, Line, schedule
from tests.benchmarks.wire import request

MOST_LINES = 256
LEAD_S = 0.1
WAIT_S = 30
ANSWERED = b'"succeeded"'


@dataclass
class Results(Answers):
    """When each call was due and answered; kept as they come, because a parser would cost as much again."""

    calls: list[tuple[float, float]] = field(default_factory=list)
    unanswered: int = 0

    def note(self, answer: bytes, due: float, sent: float) -> None:  # noqa: ARG002
        self.calls.append((due, time.time()))
        self.unanswered += not (answer.startswith(b"HTTP/1.1 20") and ANSWERED in answer)


class Asker:
    """Kept-alive connections to one server, and what came back over them."""

    def __init__(self, url: str, token: str, model: str) -> None:
        content = json.dumps({"model": model, "input": {}}).encode()
        self._post = request(url, token, "POST", content=content, more=f"Prefer: wait={WAIT_S}\r\n")
        self._parts = urlsplit(url)
        self._free, self.lines = asyncio.Queue[Line](), 0
        self.results = Results()

    async def connect(self, lines: int) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(lines):
            new = lambda: Line(self._free, self.results)  # noqa: E731
            await loop.create_connection(new, self._parts.hostname or "", self._parts.port or 80)
        self.lines += lines

    async def ask(self, due: float) -> None:
        """Send one POST that was due then, on a new connection where none is free."""
        if self._free.empty() and self.lines < MOST_LINES:
            await self.connect(1)
        await self.ask_next(due)

    async def ask_next(self, due: float | None = None) -> None:
        """Send one POST by the next of the connections there are, as late as that is free."""
        line = await self._free.get()
        line.send(self._post, time.time() if due is None else due)

    async def all_answered(self) -> None:
        lines = [await self._free.get() for _ in range(self.lines)]
        for line in lines:
            self._free.put_nowait(line)

    def close(self) -> None:
        """End all connections, each of which is free."""
        while not self._free.empty():
            self._free.get_nowait().close()


Load = Callable[[Asker, float], Awaitable[None]]


def poisson(per_s: str, seed: str) -> Load:
    async def load(asker: Asker, seconds: float) -> None:
        for due in schedule(time.time() + LEAD_S, float(per_s), seconds, int(seed)):
            await asyncio.sleep(max(0.0, due - time.time()))
            await asker.ask(due)

    return load


def closed(connections: str) -> Load:
    async def load(asker: Asker, seconds: float) -> None:
        await asker.connect(int(connections) - asker.lines)
        until = time.time() + seconds
        while time.time() < until:
            await asker.ask_next()

    return load


async def measured(asker: Asker, load: Load, warm_s: float, seconds: float) -> dict[str, object]:
    """Load the server twice, first without measuring."""
    await load(asker, warm_s)
    await asker.all_answered()
    print("begun", flush=True)
    first, cpu_s, at = len(asker.results.calls), time.process_time(), time.time()
    await load(asker, seconds)
    await asker.all_answered()
    print("ended", flush=True)
    waits_s = [answered - due for due, answered in asker.results.calls[first:]]
    spent = {"cpu_s": time.process_time() - cpu_s, "seconds": time.time() - at}
    return {**spent, "waits_s": waits_s, "unanswered": asker.results.unanswered}


LOADS: dict[str, Callable[..., Load]] = {"open": poisson, "closed": closed}


async def main(url: str, token: str, model: str, warm_s: str, seconds: str, kind: str, *words: str) -> None:
    asker = Asker(url, token, model)
    print(json.dumps(await measured(asker, LOADS[kind](*words), float(warm_s), float(seconds))))


if __name__ == "__main__":
    # The selector sleeps to the microsecond, epoll only to the millisecond.
    asyncio.SelectorEventLoop(selectors.SelectSelector()).run_until_complete(main(*sys.argv[1:]))
