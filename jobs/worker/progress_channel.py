"""The messenger: carries progress from running batches to Postgres, and cancels from there to them.

It serves the batches of models that take a context, and sleeps while there are none. What it cannot carry
is lost: the row decides what becomes of a job, and the next report replaces the last.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from threading import Event, Lock, Thread
from time import monotonic, sleep

import sqlalchemy as sa

from jobs.services.lifecycle.progress import taken_away, write_progress
from jobs.worker.batch_context import BatchContext
from jobs.worker.stages.claimed_batch import ClaimedBatch
from models_registry.core.context import takes_context

logger = logging.getLogger(__name__)
EVERY_S = 0.25  # a job's reports in between are replaced by its newest
LOOK_S = 0.5


class ProgressChannel:
    """One worker's; its thread starts with the first batch that needs it."""

    def __init__(self, engine: sa.Engine) -> None:
        """Prepare to write through `engine`."""
        self._engine = engine
        self._open: dict[int, BatchContext] = {}
        self._lock = Lock()
        self._some, self._told = Event(), Event()
        self._thread: Thread | None = None
        self._look_at = 0.0

    def serve(self, work: ClaimedBatch) -> None:
        """Give a claimed batch a context where its runner takes one, until that is closed."""
        if work.runner is None or not takes_context(work.runner):
            return
        tidy = work.discretion.text if work.discretion is not None else str
        context = BatchContext(work.id, [(job.job, job.epoch) for job in work.jobs], tidy)
        with self._lock:
            work.context = self._open[id(context)] = context
            self._some.set()
            self._start()

    def look(self) -> None:
        """Look at once which jobs were taken away: somebody has told of a cancel."""
        if self._some.is_set():
            self._told.set()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = Thread(target=self._run, name="messenger", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            self._some.wait()
            told = self._told.wait(EVERY_S)
            self._told.clear()
            try:
                self._round(told=told)
            except sa.exc.DBAPIError as error:
                logger.warning("progress or a cancel was not passed on: %s", error.__class__.__name__)
                sleep(1.0)

    def _round(self, *, told: bool) -> None:
        with self._lock:
            served = list(self._open.values())
        closed = [context for context in served if context.closed]  # before their last reports are taken
        for context in served:
            self._write(context)
        asking = [context for context in served if context.asked and not context.closed]
        if asking and (told or monotonic() >= self._look_at):
            self._look(asking)
        self._forget(closed)

    def _write(self, context: BatchContext) -> None:
        reports = context.take()
        if reports:
            with self._engine.begin() as connection:
                write_progress(connection, batch=context.batch, reports=reports)

    def _look(self, asking: Collection[BatchContext]) -> None:
        self._look_at = monotonic() + LOOK_S
        held = [job for context in asking for job in context.jobs]
        with self._engine.begin() as connection:
            gone = taken_away(connection, held=held)
        for context in asking:
            context.lose(gone)

    def _forget(self, closed: Collection[BatchContext]) -> None:
        with self._lock:
            for context in closed:
                del self._open[id(context)]
            if not self._open:
                self._some.clear()
