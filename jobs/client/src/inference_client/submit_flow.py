"""Jobs on their way through a stream of submits, over as many connections as needed.

What was sent and not answered when a connection is lost is sent again over the next, in the same order. Each
job has an idempotency key, so none is made twice.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import InvalidStateError
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import uuid4

import httpx
import msgspec

from inference_client.answers import BulkItem, JobsRefusedError, PlatformRefusedError, Problem
from inference_client.calls import RETRIED, Patience
from inference_client.submit_connection import LOST, PIECE_BYTES, StreamRefusedError, SubmitConnection

Connect = Callable[[], AbstractAsyncContextManager[SubmitConnection]]
_LINE = msgspec.json.Decoder(BulkItem)


class Promise(Protocol):
    """A future of asyncio or of threads."""

    def set_result(self, result: Any, /) -> None: ...  # noqa: D102
    def set_exception(self, exception: Any, /) -> None: ...  # noqa: D102
    def exception(self) -> BaseException | None: ...  # noqa: D102


@dataclass(eq=False, slots=True)
class UnansweredJob:
    """A job's line, and the promise of its answer."""

    line: bytes
    promise: Promise
    tries: int = 0

    def answer(self, outcome: BulkItem | BaseException) -> None:
        """Keep the promise, unless nobody waits for it any more."""
        with suppress(InvalidStateError, asyncio.InvalidStateError):  # another thread may cancel it just now
            if isinstance(outcome, BulkItem):
                self.promise.set_result(outcome)
            else:
                self.promise.set_exception(outcome)
                self.promise.exception()  # `flush` reports it: asyncio need not, where nobody looks


@dataclass(slots=True)
class KeyMaker:
    """Writes jobs as lines, with a key of their own for those without one."""

    _prefix: str = field(default_factory=lambda: uuid4().hex)
    _count: int = 0

    def line(self, request: Mapping[str, Any], key: str | None) -> bytes:
        """Return a job's line."""
        self._count += 1
        return (
            msgspec.json.encode({**request, "idempotency_key": key or f"{self._prefix}-{self._count}"})
            + b"\n"
        )


class SubmitFlow:
    """Sends jobs and reads their answers, on one event loop; `add` and `close` may be called on any thread.

    `answered` is called with the number of jobs that need no place in the window any more.
    """

    def __init__(self, connect: Connect, patience: Patience, answered: Callable[[int], None]) -> None:
        """Prepare to run on the current event loop."""
        self._connect, self._patience, self._answered = connect, patience, answered
        self._loop, self._news, self._is_woken = asyncio.get_running_loop(), asyncio.Event(), False
        self._added, self._unsent, self._sent = (deque[UnansweredJob]() for _ in range(3))
        self._pausing = set[UnansweredJob]()
        self._error: BaseException | None = None
        self._is_closing, self._progressed = False, False
        self._refused = JobsRefusedError()

    def add(self, job: UnansweredJob) -> None:
        """Send a job soon."""
        self._added.append(job)
        if self._error is None:
            self._wake()
        else:
            self._give_up(self._error)

    def close(self) -> None:
        """Let `run` end once every job is answered."""
        self._is_closing = True
        self._wake()

    def check(self) -> None:
        """Raise JobsRefusedError where jobs were refused since the last check."""
        refused, self._refused = self._refused, JobsRefusedError()
        if refused.count:
            raise refused

    async def run(self) -> None:
        """Send until closed; where that is given up, PlatformRefusedError or httpx.TransportError for all."""
        failures = 0
        try:
            while await self._has_work():
                self._progressed = False
                retry_after_s = await self._over_one_connection(last=failures + 1 >= self._patience.tries)
                failures = 1 if self._progressed else failures + 1
                self._unsent.extendleft(reversed(self._sent))
                self._sent.clear()
                if self._has_unanswered:
                    await asyncio.sleep(self._patience.pause_s(failures, retry_after_s))
        except BaseException as error:
            self._give_up(error)
            raise

    async def _has_work(self) -> bool:
        """Return whether there is something to send, once there is or nothing more can come."""
        while not self._unsent:
            self._take_added()
            if self._is_closing and not self._has_unanswered:
                return False
            if not self._unsent:
                await self._wait()
        return True

    async def _over_one_connection(self, *, last: bool) -> float:
        """Send over one connection until it ends; return how long to wait before the next."""
        try:
            async with self._connect() as connection:
                writing = asyncio.ensure_future(self._write(connection))
                try:
                    await self._read(connection)
                finally:
                    writing.cancel()
                    await asyncio.gather(writing, return_exceptions=True)
        except StreamRefusedError as error:
            if error.problem.status not in RETRIED or (last and not self._progressed):
                raise
            return error.retry_after_s
        except LOST as error:
            if last and not self._progressed:
                raise httpx.TransportError(f"the stream of submits was lost: {error!r}") from error
        return 0.0

    async def _write(self, connection: SubmitConnection) -> None:
        while await self._has_work():
            await connection.send(b"".join(self._next_lines()))
        await connection.finish()

    def _next_lines(self) -> list[bytes]:
        lines, size = list[bytes](), 0
        while self._unsent and size < PIECE_BYTES:
            job = self._unsent.popleft()
            self._sent.append(job)
            lines.append(job.line)
            size += len(job.line)
        return lines

    async def _read(self, connection: SubmitConnection) -> None:
        async for lines in _lines(connection):
            done = 0
            try:
                for line in filter(None, lines):
                    done += self._note(_LINE.decode(line))
            finally:
                if done:
                    self._progressed = True
                    self._answered(done)
                    self._news.set()

    def _note(self, item: BulkItem) -> bool:
        """Note the answer to the oldest job; return whether that is its last one."""
        if item.index < 0:
            problem = item.problem or Problem()
            raise StreamRefusedError(httpx.Response(problem.status or 503, json=msgspec.to_builtins(problem)))
        job = self._sent.popleft()
        if item.problem is None:
            job.answer(item)
            return True
        job.tries += 1
        if item.problem.status in RETRIED and job.tries < self._patience.tries:
            self._send_again(job, item.problem.retry_after_s or 0.0)
            return False
        self._refused.add(item.problem)
        job.answer(PlatformRefusedError(item.problem))
        return True

    def _send_again(self, job: UnansweredJob, after_s: float) -> None:
        self._pausing.add(job)

        def again() -> None:
            if job in self._pausing:
                self._pausing.remove(job)
                self.add(job)

        self._loop.call_later(self._patience.pause_s(job.tries, after_s), again)

    @property
    def _has_unanswered(self) -> bool:
        return bool(self._added or self._unsent or self._sent or self._pausing)

    def _give_up(self, error: BaseException) -> None:
        self._error = error  # first: a job that is added from now on is given up there
        self._take_added()
        jobs = [*self._sent, *self._unsent, *self._pausing]
        for group in (self._sent, self._unsent, self._pausing):
            group.clear()
        for job in jobs:
            job.answer(error)
        self._answered(len(jobs))

    def _take_added(self) -> None:
        self._is_woken = False  # first: what is added from now on wakes us again
        while self._added:
            self._unsent.append(self._added.popleft())

    def _wake(self) -> None:
        if not self._is_woken:
            self._is_woken = True
            with suppress(RuntimeError):  # the loop has ended: everything was given up
                self._loop.call_soon_threadsafe(self._news.set)

    async def _wait(self) -> None:
        await self._news.wait()
        self._news.clear()


async def _lines(connection: SubmitConnection) -> AsyncIterator[Sequence[bytes]]:
    rest = b""
    async for piece in connection.pieces():
        *lines, rest = (rest + piece).split(b"\n")
        yield lines
