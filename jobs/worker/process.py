"""What one GPU worker process holds: the command makes it once, and Celery's hooks look it up."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from functools import cache, partial
from threading import Event, Thread

import sqlalchemy as sa
from django.conf import settings
from django.db import Error as DjangoDatabaseError
from django.db import connection as django_connection

from jobs.core.batching.lane_choice import Lane, slices
from jobs.core.batching.policy import BatchPolicy
from jobs.core.batching.sealed_batch import BatchLimits
from jobs.db.engine import engine
from jobs.services.lifecycle import worker_row
from jobs.services.lifecycle.release import release
from jobs.services.lifecycle.worker_row import UNKNOWN_MEMORY, DeviceMemory
from jobs.services.shadow import shadow_rows
from jobs.services.trials import trial_rows
from jobs.worker.cancels import Cancels
from jobs.worker.circuit_monitor import CircuitMonitor
from jobs.worker.drift.drift_sampler import DriftSampler
from jobs.worker.drift.sampled_reports import SampledReports
from jobs.worker.heartbeat import Heartbeat
from jobs.worker.loading.model_loader import ModelLoader
from jobs.worker.message_delivery import MessageDelivery
from jobs.worker.outer_watchdog import OuterWatchdog
from jobs.worker.pipeline import Pipeline
from jobs.worker.progress_channel import ProgressChannel
from jobs.worker.reporting.reporter import Reporter
from jobs.worker.rollout_monitor import RolloutMonitor
from jobs.worker.stages.awaited_loads import AwaitedLoads
from jobs.worker.stages.buffer import Buffer
from jobs.worker.stages.claimed_batch import ClaimedBatch
from jobs.worker.stages.claimer import Claimer
from jobs.worker.stages.host_load import HostLoad
from jobs.worker.stages.persist import persist
from jobs.worker.stages.settler import Settler
from jobs.worker.trials.trial_desk import BesideBatches
from jobs.worker.watchdog import Watchdog
from models_registry import selectors
from models_registry.core.options import BreakerOptions
from models_registry.loaders.devices.own_device import own_device
from models_registry.pool import ModelPool
from models_registry.shared.platform_errors import PlatformError

logger = logging.getLogger(__name__)
FAREWELL_S = 3.0

_current: WorkerProcess | None = None


@dataclass(slots=True)
class WorkerProcess:
    """One incarnation: its row, its models, its pipeline and its reports to the broker."""

    incarnation: worker_row.Incarnation
    pool: ModelPool
    loader: ModelLoader
    reporter: Reporter
    pipeline: Pipeline
    cancels: Cancels
    stopped: Event
    circuits: CircuitMonitor
    sampler: DriftSampler
    missing: tuple[str, ...] = ()
    outer: OuterWatchdog | None = None
    memory: Callable[[], DeviceMemory] = lambda: UNKNOWN_MEMORY
    beside: BesideBatches = field(default_factory=BesideBatches)
    lane: Lane = Lane.AUTO
    copies: BesideBatches = field(default_factory=BesideBatches)

    @property
    def failed(self) -> bool:
        """Return whether it ends because a stage broke or a load is stuck."""
        return self.pipeline.failed or self.loader.stuck

    def start(self, stopping: Callable[[], bool]) -> None:
        """Register the incarnation, end its predecessor, start the heartbeat and the stages.

        Where the database cannot be reached and the process is to stop meanwhile, nothing is started.
        """
        if persist(engine(), lambda c, _: self._register(c), stopping=stopping) is None:
            return
        heartbeat = Heartbeat(
            self.incarnation, stop=self.stopped, in_hand=self.pipeline.in_hand, memory=self.memory
        )
        Thread(target=heartbeat.run, name="heartbeat", daemon=True).start()
        Thread(target=self._watchdog().run, name="watchdog", daemon=True).start()
        Thread(target=self.cancels.run, name="cancels", daemon=True).start()
        self.sampler.start()
        self.pipeline.start()

    def stop(self) -> None:
        """Give back, uncharged, the claimed batches that are not settled, and end the incarnation's row.

        A batch that broke a stage would break it again: it is left to be reaped, and so halved. A database
        that does not answer delays the end of the process by `FAREWELL_S` at most.
        """
        self.stopped.set()
        remaining = self.pipeline.remaining()
        farewell = Thread(target=self._take_leave, args=(remaining,), name="farewell", daemon=True)
        farewell.start()
        farewell.join(FAREWELL_S)
        if farewell.is_alive():
            logger.warning("the database does not answer: the row is not ended, its batches are reaped later")

    def end_late(self) -> None:
        """End the process once its batches have: a thread that loads cannot be stopped."""
        os.kill(os.getpid(), signal.SIGTERM)

    def _register(self, connection: sa.Connection) -> bool:
        worker_row.register(connection, self.incarnation)
        return True

    def _take_leave(self, remaining: list[ClaimedBatch]) -> None:
        try:
            with engine().begin() as connection:
                for batch in remaining:
                    _release(connection, batch)
                if not self.failed:  # else its trial, or a copy, may be what ended it
                    trial_rows.release(connection, self.incarnation.id)
                    shadow_rows.release(connection, self.incarnation.id)
                worker_row.end(connection, self.incarnation.id, self._end_reason)
            self.sampler.flush()
        except sa.exc.SQLAlchemyError as error:
            logger.warning(
                "the row was not ended, its batches are reaped later: %s", error.__class__.__name__
            )

    @property
    def _end_reason(self) -> str:
        if own_device().loss is not None:
            return worker_row.DEVICE_LOST
        return "failed" if self.failed else "stopped"

    def _watchdog(self) -> Watchdog:
        limit_s = settings.INFERENCE.batch_limit_s
        watchdog = Watchdog(
            self._watched, limit_s=limit_s, last_words=self._hang, stopped=self.stopped, outer=self.outer
        )
        watchdog.look_at_load = self.loader.look
        return watchdog

    def _watched(self) -> list[ClaimedBatch]:
        return [*self.pipeline.unsettled(), *self.beside.in_hand(), *self.copies.in_hand()]

    def _hang(self) -> None:
        with engine().begin() as connection:
            worker_row.end(connection, self.incarnation.id, worker_row.HUNG)


def _release(connection: sa.Connection, batch: ClaimedBatch) -> None:
    jobs = [(job.job, job.epoch) for job in batch.jobs]
    release(connection, batch=batch.id, jobs=jobs, isolation_group=batch.isolation_group)


def current() -> WorkerProcess | None:
    """Return what this process holds; None in a worker that runs no models."""
    return _current


def make(
    incarnation: worker_row.Incarnation,
    loader: ModelLoader,
    *,
    lanes: int = 1,
    missing: tuple[str, ...] = (),
    outer: OuterWatchdog | None = None,
    memory: Callable[[], DeviceMemory] = lambda: UNKNOWN_MEMORY,
) -> WorkerProcess:
    """Make what this process holds; the caller starts it. `missing` are models that are not loaded yet.

    It runs `lanes` batches at once.
    """
    pool, lane = loader.pool, Lane(incarnation.lane or Lane.AUTO)
    global _current  # noqa: PLW0603  # Celery constructs its hooks by name, so they can only look it up
    stopped = Event()
    policy: BatchPolicy[MessageDelivery] = BatchPolicy(_Bounds(pool), slices=slices(lanes, lane))
    circuits = CircuitMonitor(engine(), _breaker_options, incarnation.id)
    reporter = Reporter()
    buffer = Buffer(policy, lanes, HostLoad(), worker=lane)
    loads = AwaitedLoads(buffer, loader)
    claimer = Claimer(
        engine(), incarnation.id, pool, stopped.is_set, circuits, loads, RolloutMonitor(engine())
    )
    settler = Settler(
        engine(), stopped.is_set, node=incarnation.node, expected_s=buffer.expected_s, circuits=circuits
    )
    progress = ProgressChannel(engine())
    sampler = DriftSampler(engine(), incarnation.id, stop=stopped)
    reports = SampledReports(reporter, sampler)
    pipeline = Pipeline(buffer, claimer, settler, reports, lanes=lanes, progress=progress)
    pipeline.began = _began(outer)
    own_device().on_loss = partial(pipeline.fail, "the device does not answer any more")
    cancels = Cancels(buffer, reporter, progress, stop=stopped)
    _current = WorkerProcess(
        incarnation,
        pool,
        loader,
        reporter,
        pipeline,
        cancels,
        stopped,
        circuits=circuits,
        sampler=sampler,
        missing=missing,
        outer=outer,
        memory=memory,
        beside=BesideBatches(pipeline.began),
        lane=lane,
        copies=BesideBatches(pipeline.began),
    )
    loader.late = _current.end_late
    return _current


def load_limit_s(version: int) -> float:
    """Return how long the load of a version may take."""
    try:
        options = selectors.info(version).platform_options
    finally:
        django_connection.close()  # Django closes no connection of a thread of ours
    return options.load_limit_s or settings.INFERENCE.load_limit_s


def _began(outer: OuterWatchdog | None) -> Callable[[ClaimedBatch], None]:
    if outer is None:
        return lambda _: None
    limit_s = settings.INFERENCE.batch_limit_s
    return lambda batch: outer.began(batch.limit_s or limit_s)


@cache  # a version never changes
def _breaker_options(version: int) -> BreakerOptions:
    try:
        return selectors.info(version).platform_options.breaker
    finally:
        django_connection.close()  # Django closes no connection of a thread of ours


class _Bounds:
    """Limits by version id, read once, because a version never changes; unknown ids are read again."""

    RETRY_S = 5.0

    def __init__(self, pool: ModelPool) -> None:
        self._pool = pool
        self._limits: dict[Hashable, tuple[float, BatchLimits]] = {}

    def __call__(self, key: Hashable) -> BatchLimits:
        until, limits = self._limits.get(key, (0.0, BatchLimits()))
        if time.monotonic() >= until:
            until, limits = self._read(key)
            self._limits[key] = until, limits
        longest = self._pool.longest_bytes(int(str(key))) if limits.padded else None
        if longest and longest != limits.longest:  # known once the version is loaded
            limits = replace(limits, longest=longest)
            self._limits[key] = until, limits
        return limits

    def _read(self, key: Hashable) -> tuple[float, BatchLimits]:
        try:
            info = selectors.info(int(str(key))).on(self._pool.device)
        except (PlatformError, DjangoDatabaseError):
            return time.monotonic() + self.RETRY_S, BatchLimits()
        finally:
            django_connection.close()  # a stage lives for days: a restart would break an open connection
        return float("inf"), BatchLimits(
            info.max_batch,
            info.max_padded_size,
            info.padded,
            info.p95_goal_s,
            settings.INFERENCE.batch_input_bytes,
            lane=Lane(info.platform_options.lane),
            slow_slice_s=info.platform_options.slow_slice_s,
        )
