"""The pipeline: collect, claim, run and settle overlap, with one batch at most between two stages.

While batch n runs, n+1 is claimed and collated and n-1 is stored, so that the device never waits for
Postgres. A batch is sealed only when a slot is free: one running on each lane, one claimed.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from queue import Queue
from threading import Condition, Semaphore, Thread
from typing import Protocol
from uuid import UUID

from jobs import tracing
from jobs.core.batching.sealed_batch import SealedBatch
from jobs.core.log_context import about
from jobs.metrics import LANE_BUSY, LANES
from jobs.services.lifecycle.settle import Settled, Verdict
from jobs.worker.message_delivery import MessageDelivery
from jobs.worker.progress_channel import ProgressChannel
from jobs.worker.quiet import quiet
from jobs.worker.reporting.traced_batch import trace_batch
from jobs.worker.stages.buffer import Buffer
from jobs.worker.stages.claimed_batch import ClaimedBatch, Refused
from jobs.worker.stages.claimer import Claimer
from jobs.worker.stages.execute import execute_all, failure_of
from jobs.worker.stages.known_code import known_of
from jobs.worker.stages.settle_queue import SettleQueue
from jobs.worker.stages.settler import Settler, Stored
from models_registry.loaders.devices.own_device import own_device

logger = logging.getLogger(__name__)

AHEAD = 1  # batches claimed and not running
CLAIM_LIMIT_S = 6.0  # a little more than a claim may wait for its locks
LEAST_CLAIM_S = 0.5


class StageBrokenError(Exception):
    """A stage failed at a batch whose data is confidential: only the reason's code may be shown."""


class Observer(Protocol):
    """Learns what became of deliveries, on the thread of each stage; its methods must return at once."""

    def refused(self, refused: list[Refused]) -> None:
        """Acknowledge duplicates, and dead-letter the messages of unknown jobs."""

    def claimed(self, batch: ClaimedBatch) -> None:
        """Note a claimed batch."""

    def settled(self, batch: ClaimedBatch, verdicts: list[Verdict], settled: list[Settled]) -> None:
        """Note a stored batch."""


class Pipeline:
    """One thread claims, one settles, and one a lane runs; the connection's thread fills `buffer`."""

    def __init__(
        self,
        buffer: Buffer,
        claimer: Claimer,
        settler: Settler,
        observer: Observer,
        *,
        lanes: int = 1,
        progress: ProgressChannel | None = None,
    ) -> None:
        self.buffer, self._claimer, self._settler, self._observer = buffer, claimer, settler, observer
        self._progress = progress
        self.began: Callable[[ClaimedBatch], None] = lambda _: None  # called where a stage begins with one
        self._most = lanes + AHEAD
        self._slots = Semaphore(self._most)
        self._to_run: Queue[ClaimedBatch | None] = Queue()
        self._to_settle = SettleQueue(lanes + AHEAD)
        self._open: dict[int, ClaimedBatch] = {}
        self._changed = Condition()
        self._stuck = set[int]()  # batches of which a row was locked, until they are stored
        self._closed = self.failed = False
        self._closed_at = 0.0
        self._broken: list[ClaimedBatch] = []
        self._running = lanes
        runs = [partial(self._run, lane) for lane in range(lanes)]
        stages: list[tuple[str, Callable[[], None]]] = [
            ("claim", self._claim), *((f"run-{lane}", run) for lane, run in enumerate(runs)),
            ("settle", self._settle),
        ]  # fmt: skip
        self._threads = [
            Thread(target=self._guard, args=stage, name=stage[0], daemon=True) for stage in stages
        ]

    def start(self) -> None:
        """Start the stages."""
        LANES.set(self._running)
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Seal nothing more; claimed batches go on to their end."""
        with self._changed:
            self._closed_at = self._closed_at or time.monotonic()
            self._closed = self._to_settle.closing = True
            self._changed.notify_all()
        self.buffer.close()
        self._slots.release()

    @property
    def idle(self) -> bool:
        """Return whether no further batch will be claimed or settled here."""
        return not self._threads[-1].is_alive()

    @property
    def is_quiet(self) -> bool:
        """Return whether no job waits at this worker, and none is in a stage."""
        return self.buffer.is_empty and not self.in_hand()

    def in_hand(self) -> list[UUID]:
        """Return the ids of the batches that are being claimed, or claimed and not settled."""
        claiming = self._claimer.claiming  # first: it moves from here to the open ones
        return [*([claiming] if claiming else []), *(batch.id for batch in self.unsettled())]

    def unsettled(self) -> list[ClaimedBatch]:
        """Return the batches that are claimed and not settled."""
        with self._changed:
            return list(self._open.values())

    def remaining(self) -> list[ClaimedBatch]:
        """Return what a closed pipeline has not settled, with the batch whose claim was under way.

        Batches that broke a stage are not among them: another worker must not run their jobs together again.
        """
        claim = self._threads[0]
        if claim.is_alive():
            claim.join(max(CLAIM_LIMIT_S - (time.monotonic() - self._closed_at), LEAST_CLAIM_S))
        broken = set(map(id, self._broken))
        return [batch for batch in self.unsettled() if id(batch) not in broken]

    def _guard(self, name: str, stage: Callable[[], None]) -> None:
        try:
            stage()
        except BaseException:
            self.fail(f"the stage {name} failed")
            raise

    def fail(self, reason: str) -> None:
        """End the worker; on any thread."""
        with self._changed:
            first, self.failed = not self.failed, True
        if first:
            logger.critical("%s; the worker ends, to be started again", reason)
            self._end_early()
            os.kill(os.getpid(), signal.SIGTERM)

    def _end_early(self) -> None:
        """Store what has run; what still runs is given back, because its lane may never end."""
        self.close()
        if not self._to_settle.end_now():  # the settling failed, or is slow: the drain does not wait for it
            logger.warning("batches that have run are not stored any more")

    @contextmanager
    def _blaming(self, batch: ClaimedBatch) -> Iterator[None]:
        try:
            with quiet(on=batch.guarded), about(**batch.log_ids):
                yield
        except BaseException as error:
            if own_device().loss is None or own_device().lost_in_work_since(batch.worked_since):
                self._broken.append(batch)
            if batch.guarded:  # what ends a thread is printed
                raise StageBrokenError(known_of(error).code) from None
            raise

    def _claim(self) -> None:
        while True:
            self._slots.acquire()
            sealed = None if self._closed else self.buffer.next()
            if sealed is None or (sealed.isolation_group and not self._alone()):
                break
            self._claim_one(sealed)
        for _ in range(self._running):
            self._to_run.put(None)

    def _alone(self) -> bool:
        """Wait until nothing else runs and keep it so; False where the worker stops before.

        A batch that waits for a locked row has run: its lock may be held for hours.
        """
        for _ in range(self._most - 1):
            self._slots.acquire()
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._open.keys() <= self._stuck)
        return not self._closed

    def _free(self, batch: ClaimedBatch) -> None:
        self._slots.release(self._most if batch.isolation_group else 1)

    def _claim_one(self, sealed: SealedBatch[MessageDelivery]) -> None:
        started = time.monotonic()
        batch, refused = self._claimer.claim(sealed)
        batch.claim_ended = time.monotonic()
        batch.claim_s = batch.claim_ended - started
        if refused:
            self._observer.refused(refused)
        if batch.jobs:
            self._forward(batch)
            self.buffer.observe_claim(time.monotonic() - started)
        else:
            self._free(batch)
            self.buffer.withdraw()
        self._claimer.claiming = None

    def _forward(self, batch: ClaimedBatch) -> None:
        with self._changed:
            self._open[id(batch)] = batch
        self._observer.claimed(batch)
        self._begin(batch)
        try:
            with quiet(on=batch.guarded), about(**batch.log_ids):
                left = self._claimer.prepare(batch)
            if left:
                self._observer.refused(left)
            if self._progress is not None:
                self._progress.serve(batch)
        except BaseException as error:  # noqa: BLE001  # any failure of an input or a model is a verdict
            batch.failure = failure_of(error, batch.table)
        if own_device().lost_in_work_since(batch.busy_since):
            self._broken.append(batch)
        batch.busy_since, batch.collated_at = None, time.monotonic()
        self._to_run.put(batch)

    def _begin(self, batch: ClaimedBatch) -> float:
        """Note that a stage works on the batch from now on, in which the model may hang; return the time."""
        batch.busy_since = started = time.monotonic()
        self.began(batch)
        return started

    def _run(self, lane: int) -> None:
        while (batch := self._to_run.get()) is not None:
            self._run_one(lane, batch)
            self._free(batch)
            self.buffer.ended(lane)
            self._to_settle.put(batch)
        with self._changed:
            self._running -= 1
            last = not self._running
        if last:
            self._to_settle.end()

    def _run_one(self, lane: int, batch: ClaimedBatch) -> None:
        self.buffer.started(lane, batch.key, batch.padded_size)
        batch.lane_ended = time.monotonic()
        if batch.failure is not None or batch.runner is None:
            return
        batch.run_began = started = self._begin(batch)
        with self._blaming(batch):
            execute_all(batch)
        batch.busy_since, batch.ran_s = None, time.monotonic() - started
        LANE_BUSY.labels(batch.model).inc(batch.ran_s)
        if batch.context is not None and batch.context.cut_short:
            return  # its time is not that of a batch of this size
        if batch.oom_size is None:
            self.buffer.observe(batch.key, batch.padded_size, batch.ran_s)
        else:
            self.buffer.observe_memory(batch.key, batch.oom_size)

    def _settle(self) -> None:
        while batches := self._to_settle.next():
            judged = list[ClaimedBatch]()
            try:
                for batch in batches:
                    self._begin(batch)
                    with self._blaming(batch):
                        self._settler.judge(batch)
                    judged.append(batch)
            finally:
                self._store(judged)  # where one broke the stage, its neighbours are stored

    def _store(self, batches: list[ClaimedBatch]) -> None:
        started = time.monotonic()
        stored = self._settler.together(batches)
        for batch in batches:
            answer = stored.get(batch.id)
            if answer is None:
                with self._blaming(batch):
                    answer = self._settler.settle(batch)
            batch.settled_at = time.monotonic()
            batch.settle_s = batch.settled_at - started
            self._claimer.done(batch)
            if batch.context is not None:
                batch.context.closed = True
            if answer is not None:
                self.buffer.observe_platform(batch.claim_s + batch.settle_s / len(batches))
                self._settled(batch, answer)

    def _settled(self, batch: ClaimedBatch, answer: Stored) -> None:
        done = batch.split_off(answer.locked) if answer.locked else batch
        if answer.locked:
            logger.warning("%d jobs are locked by another transaction: tried again", len(answer.locked))
            self._to_settle.retry(batch)
        with self._changed:
            if answer.locked:
                self._stuck.add(id(batch))
            else:
                self._stuck.discard(id(batch))
                del self._open[id(batch)]
            self._changed.notify_all()
        if tracing.on:
            trace_batch(done, answer.verdicts, answer.settled)
        self._observer.settled(done, answer.verdicts, answer.settled)
