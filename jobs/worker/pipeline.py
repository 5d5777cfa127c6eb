"""The pipeline: collect, claim, run and settle overlap, with one batch at most between two stages.

While batch n runs, n+1 is claimed and collated and n-1 is stored, so that the device never waits for
Postgres. A batch is sealed only when a slot is free: one running, one claimed.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable
from queue import Queue
from threading import Lock, Semaphore, Thread
from typing import Protocol

from jobs.store.settle import Settled, Verdict
from jobs.worker.claim import Claimer
from jobs.worker.collect import Buffer
from jobs.worker.execute import execute, failure_of
from jobs.worker.settle import Settler
from jobs.worker.work import Refused, Work

logger = logging.getLogger(__name__)

SLOTS = 2


class Observer(Protocol):
    """Is told what became of deliveries, on the stage's own thread; it must return at once."""

    def refused(self, refused: list[Refused]) -> None:
        """Take duplicates to acknowledge, and messages of unknown jobs to dead-letter."""

    def claimed(self, work: Work) -> None:
        """Take note of a claimed batch."""

    def settled(self, work: Work, verdicts: list[Verdict], settled: list[Settled]) -> None:
        """Take note of a stored batch."""


class Pipeline:
    """Four stages on three threads; `buffer` is filled by a fourth, the connection's."""

    def __init__(self, buffer: Buffer, claimer: Claimer, settler: Settler, observer: Observer) -> None:
        self.buffer, self._claimer, self._settler, self._observer = buffer, claimer, settler, observer
        self._slots = Semaphore(SLOTS)
        self._to_run: Queue[Work | None] = Queue()
        self._to_settle: Queue[Work | None] = Queue(maxsize=SLOTS)
        self._open: dict[int, Work] = {}
        self._lock = Lock()
        self._closed = self.failed = False
        self._threads = [
            Thread(target=self._guard, args=(stage,), name=stage.__name__.strip("_"), daemon=True)
            for stage in (self._claim, self._run, self._settle)
        ]

    def start(self) -> None:
        """Start the stages."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Seal nothing more; what is claimed goes on to its end."""
        self._closed = True
        self.buffer.close()
        self._slots.release()

    @property
    def idle(self) -> bool:
        """Say whether every claimed batch is settled and no other will be claimed."""
        return not self._threads[2].is_alive()

    def unsettled(self) -> list[Work]:
        """Return the batches that are claimed and not settled."""
        with self._lock:
            return list(self._open.values())

    def _guard(self, stage: Callable[[], None]) -> None:
        try:
            stage()
        except BaseException:
            logger.critical("the stage %s failed; the worker ends, to be started again", stage.__name__)
            self.failed = True
            os.kill(os.getpid(), signal.SIGTERM)
            raise

    def _claim(self) -> None:
        while True:
            self._slots.acquire()
            sealed = None if self._closed else self.buffer.next()
            if sealed is None:
                break
            started = time.monotonic()
            work, refused = self._claimer.claim(sealed)
            work.claim_s = time.monotonic() - started
            self.buffer.observe_claim(work.claim_s)
            if refused:
                self._observer.refused(refused)
            if work.jobs:
                self._forward(work)
            else:
                self._slots.release()
                self.buffer.device_idle()
        self._to_run.put(None)

    def _forward(self, work: Work) -> None:
        with self._lock:
            self._open[id(work)] = work
        self._observer.claimed(work)
        try:
            self._claimer.prepare(work)
        except Exception as error:  # noqa: BLE001  # whatever an input or a model does ends as a verdict
            work.failure = failure_of(error)
        self._to_run.put(work)

    def _run(self) -> None:
        while (work := self._to_run.get()) is not None:
            self._run_one(work)
            self._slots.release()
            if self._to_run.empty():
                self.buffer.device_idle()
            self._to_settle.put(work)
        self._to_settle.put(None)

    def _run_one(self, work: Work) -> None:
        if work.failure is not None or work.runner is None:
            return
        self.buffer.device_busy(work.key, work.padded_size)
        runner, started = work.runner, time.monotonic()
        work.pieces = [done for piece in work.pieces for done in execute(runner, piece)]
        work.ran_s = time.monotonic() - started
        self.buffer.observe(work.key, work.padded_size, work.ran_s)

    def _settle(self) -> None:
        while (work := self._to_settle.get()) is not None:
            started = time.monotonic()
            answer = self._settler.settle(work)
            work.settle_s = time.monotonic() - started
            if answer is None:
                continue
            with self._lock:
                del self._open[id(work)]
            self._observer.settled(work, *answer)
