"""Samples jobs of watched versions after they are stored; reads them on a thread that mostly rests.

The settle stage only hands over up to 20 jobs a second of a version, by chance from each batch. What the
thread cannot read within its hundredth of a core, and its part of the worker's time, is dropped and counted.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from queue import Empty, Full, Queue
from threading import Event, Lock, Thread
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import sqlalchemy as sa

from jobs import metrics
from jobs.core.drift.field_values import values_of
from jobs.core.drift.sample_pace import SamplePace, may_read, rest_s
from jobs.core.errors import PlatformError
from jobs.core.failures import Success
from jobs.core.payloads.keyring import PLAIN
from jobs.core.payloads.pointer import is_pointer, pointer_of
from jobs.core.payloads.stored_output import bytes_output, is_bytes
from jobs.db import database_clock
from jobs.services.drift.sketch_rows import write_sketches
from jobs.services.lifecycle.claim import Claimed
from jobs.services.lifecycle.settle import Verdict
from jobs.worker.drift.hour_sketches import HourSketches
from jobs.worker.stages.claimed_batch import ClaimedBatch
from models_registry.core.agreement.pointers import ABSENT
from models_registry.core.monitor.monitor_option import Monitor

log = logging.getLogger(__name__)
FLUSH_S = 60.0  # a worker that dies loses what it sampled since
MOST_WAITING = 40
LOOK_S = 1.0


class Sample(NamedTuple):
    """A settled job: its input and its output as they are stored, None where it has none."""

    version: int
    job: Claimed
    output: bytes | None


class DriftSampler:
    """Takes settled batches on any thread, and stores sketches of them for one worker incarnation."""

    def __init__(self, engine: sa.Engine, worker: UUID, *, stop: Event) -> None:
        """Prepare to sample; `run` ends with `stop`."""
        self._engine, self._worker, self._stop = engine, worker, stop
        self._monitors: dict[int, Monitor] = {}
        self._paces: dict[int, SamplePace] = {}
        self._samples = Queue[Sample](MOST_WAITING)
        self._sketches, self._lock = HourSketches(), Lock()
        self._flushed_at = time.monotonic()
        self.read = 0  # samples so far

    @property
    def waiting(self) -> int:
        """Return how many samples wait to be read."""
        return self._samples.qsize()

    def start(self) -> None:
        """Begin to read samples, on a thread."""
        Thread(target=self._run, name="drift", daemon=True).start()

    def claimed(self, batch: ClaimedBatch) -> None:
        """Remember what is watched of the batch's version."""
        version = int(str(batch.key))
        if version not in self._monitors and batch.loaded is not None:
            self._monitors[version] = batch.loaded.info.platform_options.monitor

    def offer(self, batch: ClaimedBatch, verdicts: Sequence[Verdict]) -> None:
        """Take some first attempts of a stored batch; returns at once, whatever the reader does."""
        version = int(str(batch.key))
        monitor = self._monitors.get(version)
        if monitor is None or not monitor.on:
            return
        firsts = [job for job in batch.jobs if job.attempts == 1]
        number = self._pace(version).take(len(firsts), time.monotonic())
        outputs = {v.job: _plain(v) for v in verdicts} if number else {}
        for job in random.sample(firsts, number):
            try:
                self._samples.put_nowait(Sample(version, job, outputs.get(job.job)))
            except Full:
                metrics.DRIFT_SAMPLED.labels("dropped").inc()

    def flush(self) -> None:
        """Store what changed; what a failing database does not take is stored with the next flush."""
        with self._lock:
            self._flushed_at, hour = time.monotonic(), _hour()
            self._sketches.drop_old(hour)
            rows = self._sketches.rows()
            if not rows:
                return
            try:
                with self._engine.begin() as connection:
                    write_sketches(connection, self._worker, rows)
            except sa.exc.SQLAlchemyError as error:
                log.warning("samples of jobs are stored later: %s", type(error).__name__)
                return
            self._sketches.stored(hour)

    def _pace(self, version: int) -> SamplePace:
        if version not in self._paces:
            self._paces[version] = SamplePace(time.monotonic())
        return self._paces[version]

    def _run(self) -> None:
        began_s, whole_s = time.process_time(), 0.0
        while not self._stop.is_set():
            spent_s = 0.0
            if may_read(whole_s, time.process_time() - began_s):
                spent_s = self._read_next()
            else:
                self._stop.wait(LOOK_S)
            if time.monotonic() - self._flushed_at >= FLUSH_S:
                spent_s += _timed(self.flush)
            whole_s += spent_s
            metrics.DRIFT_CPU.inc(spent_s)
            self._stop.wait(rest_s(spent_s))

    def _read_next(self) -> float:
        """Wait for a sample and read it; return the seconds of this thread that it took."""
        try:
            sample = self._samples.get(timeout=LOOK_S)
        except Empty:
            return 0.0
        return _timed(partial(self._read, sample))

    def _read(self, sample: Sample) -> None:
        """Add a sample to the sketches; one that cannot be read counts by its size alone."""
        monitor, outcome = self._monitors[sample.version], "read"
        try:
            size, given = _input(sample.job, wanted=bool(monitor.inputs))
            answer = _output(sample.output) if monitor.outputs else ABSENT
            values = values_of(monitor, size=size, given=given, answer=answer)
            with self._lock:
                self._sketches.add(sample.version, _hour(), values)
        except Exception as error:  # noqa: BLE001  # a sample is not worth a worker; its text may be confidential
            log.debug("a sample cannot be read: %s", type(error).__name__)
            outcome = "unreadable"
        self.read += 1
        metrics.DRIFT_SAMPLED.labels(outcome).inc()


def _timed(work: Callable[[], None]) -> float:
    """Do work and return the seconds of this thread that it took."""
    began = time.thread_time()
    work()
    return time.thread_time() - began


def _hour() -> datetime:
    return database_clock.now().replace(minute=0, second=0, microsecond=0)


def _plain(verdict: Verdict) -> bytes | None:
    outcome = verdict.outcome
    return outcome.body if isinstance(outcome, Success) and outcome.encoding == PLAIN else None


def _input(job: Claimed, *, wanted: bool) -> tuple[int, Any]:
    """Return the size of an input in bytes, and the input; ABSENT where it is sealed or lies elsewhere."""
    if is_pointer(job.body):
        return pointer_of(job.body).size, ABSENT
    readable = wanted and job.encoding == PLAIN
    return len(job.body), msgspec.json.decode(job.body) if readable else ABSENT


def _output(body: bytes | None) -> Any:
    if body is None or is_pointer(body):
        return ABSENT
    try:
        return bytes_output(body) if is_bytes(body) else msgspec.json.decode(body)
    except (PlatformError, msgspec.MsgspecError):
        return ABSENT
