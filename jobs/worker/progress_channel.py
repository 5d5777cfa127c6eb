"""Carries progress from running batches to Postgres, and cancels from there to the batches.

It serves the batches of models that take a context, and sleeps while there are none. A report or cancel that
it cannot pass on is lost: the row decides a job's end, and the next report replaces the last.
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
    """Progress and cancels of one worker; the thread starts with the first batch that needs it."""

    def __init__(self, engine: sa.Engine) -> None:
        """Prepare to write through `engine`."""
        self._engine = engine
        self._open: dict[int, BatchContext] = {}
        self._lock = Lock()
        self._has_contexts, self._cancelled = Event(), Event()
        self._thread: Thread | None = None
        self._look_at = 0.0

    def serve(self, batch: ClaimedBatch) -> None:
        """Give a claimed batch a context where its runner takes one, and serve it until it is closed."""
        if batch.runner is None or not takes_context(batch.runner):
            return
        shown = batch.privacy.progress_message if batch.privacy is not None else str
        context = BatchContext(batch.id, [(job.job, job.epoch) for job in batch.jobs], shown)
        with self._lock:
            batch.context = self._open[id(context)] = context
            self._has_contexts.set()
            self._start()

    def look(self) -> None:
        """Look at once which jobs were cancelled: a notification of a cancel came."""
        if self._has_contexts.is_set():
            self._cancelled.set()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = Thread(target=self._run, name="progress", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            self._has_contexts.wait()
            look_now = self._cancelled.wait(EVERY_S)
            self._cancelled.clear()
            try:
                self._round(look_now=look_now)
            except sa.exc.DBAPIError as error:
                logger.warning("progress or a cancel was not passed on: %s", error.__class__.__name__)
                sleep(1.0)

    def _round(self, *, look_now: bool) -> None:
        with self._lock:
            contexts = list(self._open.values())
        closed = [context for context in contexts if context.closed]  # before their last reports are read
        for context in contexts:
            self._write(context)
        polling = [context for context in contexts if context.polls_cancels and not context.closed]
        if polling and (look_now or monotonic() >= self._look_at):
            self._look(polling)
        self._forget(closed)

    def _write(self, context: BatchContext) -> None:
        reports = context.take()
        if reports:
            with self._engine.begin() as connection:
                write_progress(connection, batch=context.batch, reports=reports)

    def _look(self, polling: Collection[BatchContext]) -> None:
        self._look_at = monotonic() + LOOK_S
        jobs = [job for context in polling for job in context.jobs]
        with self._engine.begin() as connection:
            gone = taken_away(connection, held=jobs)
        for context in polling:
            context.lose(gone)

    def _forget(self, closed: Collection[BatchContext]) -> None:
        with self._lock:
            for context in closed:
                del self._open[id(context)]
            if not self._open:
                self._has_contexts.clear()
