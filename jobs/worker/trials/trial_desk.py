"""What a trial works with: the versions in memory, the device for one batch at a time, its row, its stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from jobs.services.trials import trial_rows
from jobs.services.trials.trial_rows import TakenTrial
from jobs.worker.loading.model_loader import ModelLoader
from jobs.worker.stages.claimed_batch import ClaimedBatch
from jobs.worker.trials.turn import Turn
from models_registry.core.registry_errors import LoadFailedError
from models_registry.loaders.ready import Loaded

LOOK_S = 0.25
WRITE_EVERY_S = 1.0
TRIES = 5


class TrialStoppedError(Exception):
    """The trial is to stop: its worker stops, it was cancelled, or another worker has taken it."""


class BesideBatches:
    """The batch that a trial runs now, for the watchdog, which ends the worker where it hangs."""

    def __init__(self, began: Callable[[ClaimedBatch], None] = lambda _: None) -> None:
        """Begin without one; `began` learns of each."""
        self._began, self._lock = began, Lock()
        self._current: ClaimedBatch | None = None

    def in_hand(self) -> list[ClaimedBatch]:
        """Return the batch that runs, if one does."""
        with self._lock:
            return [self._current] if self._current is not None else []

    @contextmanager
    def running(self, batch: ClaimedBatch) -> Iterator[None]:
        """Have a batch watched while the block runs."""
        batch.busy_since = time.monotonic()
        with self._lock:
            self._current = batch
        self._began(batch)
        try:
            yield
        finally:
            with self._lock:
                self._current = None
            batch.busy_since = None


@dataclass(frozen=True, slots=True)
class TrialPlace:
    """What a worker lends to its trials."""

    worker: UUID
    node: str
    loader: ModelLoader
    turn: Turn
    beside: BesideBatches
    stopping: Callable[[], bool]


@dataclass(slots=True)
class TrialDesk:
    """One trial at its worker; `lost` is set where another worker has it, `spec` is its request."""

    place: TrialPlace
    trial: TakenTrial
    session: sa.Connection
    lost: Event = field(default_factory=Event)
    spec: dict[str, Any] = field(default_factory=dict)
    _written_at: float = 0.0

    def stopping(self) -> bool:
        """Return whether the trial is to stop."""
        return self.lost.is_set() or self.place.stopping()

    def go_on(self) -> None:
        """Let the second run of a pair follow at once: what is measured are two runs back to back."""

    def wait_for_turn(self) -> None:
        """Wait until a batch may run; TrialStoppedError."""
        if not self.place.turn.wait(self.stopping):
            raise TrialStoppedError

    def note(self, progress: dict[str, Any]) -> None:
        """Store how far it is, once a second; TrialStoppedError where it is not this worker's any more."""
        now = time.monotonic()
        if now - self._written_at < WRITE_EVERY_S:
            return
        self._written_at = now
        if not trial_rows.note_progress(self.session, self.trial, self.place.worker, progress):
            raise TrialStoppedError

    @contextmanager
    def held(self, version: int) -> Iterator[Loaded]:
        """Keep a version in memory while the block runs; PlatformError where it cannot be loaded."""
        loaded = self._loaded(version)
        try:
            yield loaded
        finally:
            self.place.loader.pool.release(version)

    def _loaded(self, version: int) -> Loaded:
        loader = self.place.loader
        for _ in range(TRIES):  # between its load and its use it may leave for a version that has jobs
            loaded = loader.pool.hold(version, promised=loader.promised(version))
            if loaded is not None:
                loader.taken(version)
                return loaded
            self._load(version)
        raise LoadFailedError(f"Version {version} left memory again before the trial could use it.")

    def _load(self, version: int) -> None:
        future = self.place.loader.request(version, anew=True)
        while not future.done():
            if self.stopping():
                raise TrialStoppedError
            wait([future], LOOK_S)
        future.result()
