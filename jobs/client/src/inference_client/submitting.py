"""`client.submitting()`: one stream for many jobs, each with a future of its answer.

At most `window` jobs are unanswered: then `submit` waits. So a producer runs no faster than the platform.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Self

from inference_client.answers import BulkItem
from inference_client.submit_flow import KeyMaker, SubmitFlow, UnansweredJob

WINDOW = 1_000
MakeFlow = Callable[[Callable[[int], None]], SubmitFlow]


class AsyncSubmitting:
    """A stream of submits on the current event loop: `async with client.submitting() as jobs`."""

    def __init__(self, make_flow: MakeFlow, window: int) -> None:
        """Prepare to have at most `window` jobs unanswered."""
        self._make_flow, self._window = make_flow, window
        self._keys, self._unanswered = KeyMaker(), 0
        self._changed = asyncio.Event()

    async def __aenter__(self) -> Self:
        """Begin; the first job opens the connection."""
        self._flow = self._make_flow(self._note)
        self._run = asyncio.ensure_future(self._flow.run())
        self._run.add_done_callback(lambda _: self._note(0))
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Wait until every job is answered; the errors of `flush`, unless the block itself failed."""
        self._flow.close()
        await asyncio.wait({self._run})
        if kind is None:
            self._check()
        elif not self._run.cancelled():
            self._run.exception()

    async def submit(
        self, model: str, value: Any, *, idempotency_key: str | None = None, **options: Any
    ) -> asyncio.Future[BulkItem]:
        """Send a job, and return the future of its id and state, or of its PlatformRefusedError.

        The error that ended the stream, where it cannot go on.
        """
        line = self._keys.line({"model": model, "input": value, **options}, idempotency_key)  # it may raise
        await self._until(lambda: self._unanswered < self._window)
        self._unanswered += 1
        promise: asyncio.Future[BulkItem] = asyncio.get_running_loop().create_future()
        self._flow.add(UnansweredJob(line, promise))
        return promise

    async def flush(self) -> None:
        """Wait until every job so far is answered; JobsRefusedError where one was refused since the last."""
        await self._until(lambda: not self._unanswered)
        self._check()

    def _check(self) -> None:
        if self._run.done():
            self._run.result()
        self._flow.check()

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds() and not self._run.done():
            self._changed.clear()
            await self._changed.wait()
        if self._run.done():
            self._run.result()

    def _note(self, answered: int) -> None:
        self._unanswered -= answered
        self._changed.set()


class Submitting:
    """A stream of submits for threads: `with client.submitting() as jobs`. Any thread may submit."""

    def __init__(self, make_flow: MakeFlow, window: int) -> None:
        """Prepare to have at most `window` jobs unanswered."""
        self._make_flow, self._window = make_flow, window
        self._keys, self._unanswered = KeyMaker(), 0
        self._changed, self._begun = threading.Condition(threading.RLock()), threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="submits", daemon=True)

    def __enter__(self) -> Self:
        """Begin; the first job opens the connection."""
        self._thread.start()
        self._begun.wait()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Wait until every job is answered; the errors of `flush`, unless the block itself failed."""
        self._flow.close()
        self._thread.join()
        if kind is None:
            self._check()

    def submit(
        self, model: str, value: Any, *, idempotency_key: str | None = None, **options: Any
    ) -> Future[BulkItem]:
        """Send a job, and return the future of its id and state, or of its PlatformRefusedError.

        The error that ended the stream, where it cannot go on.
        """
        request, promise = {"model": model, "input": value, **options}, Future[BulkItem]()
        with self._changed:
            line = self._keys.line(request, idempotency_key)  # it may raise
            self._until(lambda: self._unanswered < self._window)
            self._unanswered += 1
            self._flow.add(UnansweredJob(line, promise))
        return promise

    def flush(self) -> None:
        """Wait until every job so far is answered; JobsRefusedError where one was refused since the last."""
        with self._changed:
            self._until(lambda: not self._unanswered)
        self._check()

    async def _run(self) -> None:
        try:
            self._flow = self._make_flow(self._note)
            self._begun.set()
            await self._flow.run()
        except Exception as error:  # noqa: BLE001  # for the threads that submit
            self._error = error
            self._note(0)

    def _check(self) -> None:
        if self._error is not None:
            raise self._error
        self._flow.check()

    def _until(self, holds: Callable[[], bool]) -> None:
        self._changed.wait_for(lambda: holds() or self._error is not None)
        if self._error is not None:
            raise self._error

    def _note(self, answered: int) -> None:
        with self._changed:
            self._unanswered -= answered
            self._changed.notify_all()
