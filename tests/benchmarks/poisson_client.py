"""Open-loop arrivals: each POST is sent at its moment of a seeded Poisson process, and waits for no answer.

python -m tests.benchmarks.poisson_client URL TOKEN MODEL PER_SECOND SECONDS SEED

Prints one JSON object: `cpu_s`; `sent`, for each accepted job its id and, in Unix seconds, when it was due,
sent and answered; `refused`, the same for each 429, with an empty id; `eta_s` by job. It uses bare sockets
and a selector that sleeps to the microsecond, because on two cores a heavy client would measure itself.
"""

from __future__ import annotations

import asyncio
import json
import random
import selectors
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from urllib.parse import urlsplit

from tests.benchmarks.wire import length, request

CONNECTIONS = 32
LEAD_S = 0.5
Sent = tuple[str, float, float, float]


@dataclass
class Answers:
    """The answers of the server."""

    sent: list[Sent] = field(default_factory=list)
    refused: list[Sent] = field(default_factory=list)
    eta_s: dict[str, float | None] = field(default_factory=dict)

    def note(self, answer: bytes, due: float, sent: float) -> None:
        head, _, body = answer.partition(b"\r\n\r\n")
        if head.startswith(b"HTTP/1.1 429"):
            self.refused.append(("", due, sent, time.time()))
            return
        assert head.startswith(b"HTTP/1.1 202"), answer
        job = json.loads(body)
        self.sent.append((job["id"], due, sent, time.time()))
        self.eta_s[job["id"]] = job["eta_s"]


class Line(asyncio.Protocol):
    """One kept-alive connection with one request at a time; an answer puts it at the end of `free`."""

    def __init__(self, free: asyncio.Queue[Line], answers: Answers) -> None:
        self._free, self._answers = free, answers
        self._read = b""
        self._due = self._sent = 0.0
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        self._free.put_nowait(self)

    def send(self, request: bytes, due: float) -> None:
        assert self._transport is not None
        self._due, self._sent, self._read = due, time.time(), b""
        self._transport.write(request)

    def close(self) -> None:
        assert self._transport is not None
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, gap, body = self._read.partition(b"\r\n\r\n")
        if gap and len(body) >= length(head):
            self._answers.note(self._read, self._due, self._sent)
            self._free.put_nowait(self)


def schedule(start: float, per_s: float, seconds: float, seed: int) -> Iterator[float]:
    """Yield the moments of a Poisson process."""
    chance, at = random.Random(seed), start
    while (at := at + chance.expovariate(per_s)) < start + seconds:
        yield at


async def offer(url: str, token: str, model: str, moments: list[float]) -> Answers:
    """Send a job at each moment, or as soon as a connection is free after it, and return the answers."""
    parts = urlsplit(url)
    post = request(url, token, "POST", content=json.dumps({"model": model, "input": {}}).encode())
    free, answers = asyncio.Queue[Line](), Answers()
    loop = asyncio.get_running_loop()
    for _ in range(CONNECTIONS):
        await loop.create_connection(lambda: Line(free, answers), parts.hostname or "", parts.port or 80)
    for due in moments:
        await asyncio.sleep(max(0.0, due - time.time()))
        (await free.get()).send(post, due)
    for _ in range(CONNECTIONS):  # each is free again once it has its last answer
        await free.get()
    return answers


def main(url: str, token: str, model: str, *numbers: str) -> None:
    per_s, seconds, seed = map(float, numbers)
    moments = list(schedule(time.time() + LEAD_S, per_s, seconds, int(seed)))
    loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
    answers = loop.run_until_complete(offer(url, token, model, moments))
    print(json.dumps({"cpu_s": time.process_time(), **asdict(answers)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
