"""The surveyor: counts what waits for each model about twice a second, so that no request has to."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from threading import Event

import sqlalchemy as sa
from django.conf import settings

from jobs import metrics
from jobs.core.admission.queue_count import COUNT_EVERY_S, QueueCount
from jobs.core.admission.queue_survey import LedgerCount, QueueSurvey
from jobs.core.queue_names import is_slow, model_of_queue, slow_queue
from jobs.core.scaling.workers_wanted import START_S, Demand, WorkersWanted
from jobs.db import database_clock, leases
from jobs.db.listen_loop import ListenLoop
from jobs.services.admission import survey_statements
from jobs.services.admission.horizon_watch import HorizonWatch
from jobs.services.admission.lane_judge import SlowVersions
from jobs.services.admission.model_facts import ModelFact, ModelFacts
from jobs.services.admission.survey_statements import QueueFigures, StartTime, WorkerCount
from jobs.services.admission.waiting_count import WaitingCount

MEASURE_EVERY_S = 5.0  # how far the host's clock is from the database's
PATIENCE = 3.0  # a count may take so many times as long as the last one before another process takes over
DUTY = 20.0  # the pause is so many times as long as the count: millions of rows are counted less often
_NO_BATCHES = LedgerCount()
_NO_JOBS = QueueCount()
_NO_WORKERS = WorkerCount()


class QueueSurveyor(ListenLoop):
    """Counts until stopped; one process at a time does."""

    office = leases.SURVEYOR

    def __init__(self, *, stop: Event, clock: Callable[[], float] = time.monotonic) -> None:
        """Prepare to count; `clock` returns monotonic seconds."""
        super().__init__(stop=stop, clock=clock)
        self._surveys = defaultdict[str, QueueSurvey](QueueSurvey)
        config = settings.INFERENCE
        make = partial(WorkersWanted, idle_s=config.scale_idle_s, cooldown_s=config.scale_cooldown_s)
        self._wanted = defaultdict[str, WorkersWanted](make)
        self._waiting, self._horizon = WaitingCount(clock=clock), HorizonWatch(clock=clock)
        self._facts, self._measure_at = ModelFacts(clock=clock), 0.0
        self._slow = SlowVersions(clock=clock)
        self._starts: Mapping[str, StartTime] = {}
        self._counted_s: float | None = None
        self._took_s = 0.0

    @property
    def pause_s(self) -> float:
        """Return the seconds until the next count: half a second, more where counting takes long."""
        return max(COUNT_EVERY_S, DUTY * self._took_s)

    def interrupted(self, error: Exception) -> None:  # noqa: ARG002  # whatever it was
        """Measure rates from the next count on, because the changes before it are not known."""
        self._counted_s = None

    def step(self, session: sa.Connection, payloads: Sequence[str]) -> None:  # noqa: ARG002  # no channel notifies it
        """Count once."""
        leases.keep(session, PATIENCE * self._took_s)
        began_s = self._clock()
        try:
            self.survey(session)
        finally:
            self._took_s = self._clock() - began_s
        self._horizon.look(session)
        if self._clock() >= self._measure_at:
            self._measure_at = self._clock() + MEASURE_EVERY_S
            database_clock.measure(session)

    def survey(self, session: sa.Connection) -> dict[str, QueueCount]:
        """Count every queue once, store the counts and return them."""
        began_s = self._clock()
        since_s = None if self._counted_s is None else max(1e-3, began_s - self._counted_s)
        self._slow.look(session)
        waiting = self._waiting.count(session)
        workers = survey_statements.workers(session, self._slow.models)
        ledger = survey_statements.ledger(session, since_s=since_s or COUNT_EVERY_S)
        facts, self._starts = self._facts.read(session), survey_statements.start_times(session)
        counts = {
            queue: self._surveys[queue].observe(
                replace(waiting.get(queue, _NO_JOBS), start_s=self._left_s(queue)),
                ledger.get(queue, _NO_BATCHES),
                workers=workers.get(queue, _NO_WORKERS).live,
                since_s=since_s,
            )
            for queue in {*waiting, *workers, *ledger, *facts, *map(slow_queue, self._slow.models)}
        }
        figures = {
            queue: self._figures(
                queue, count, workers.get(queue, _NO_WORKERS), facts.get(model_of_queue(queue)), since_s
            )
            for queue, count in counts.items()
        }
        self._counted_s = began_s
        survey_statements.store(session, counts, figures, age_s=self._clock() - began_s)
        metrics.SURVEY_TIME.observe(self._clock() - began_s)
        return counts

    def _left_s(self, queue: str) -> float | None:
        start = self._starts.get(model_of_queue(queue))
        return start.left_s if start else None

    def _figures(
        self,
        queue: str,
        count: QueueCount,
        workers: WorkerCount,
        fact: ModelFact | None,
        since_s: float | None,
    ) -> QueueFigures:
        own = None if is_slow(queue) else fact  # goal and dead letters are the model's
        goal_s = None if own is None else own.goal_s
        start = self._starts.get(model_of_queue(queue))
        is_paused = fact is not None and fact.is_paused  # its jobs wait for a person, and no worker helps
        need = self._wanted[queue].observe(
            Demand(
                seconds=since_s or COUNT_EVERY_S,
                arrived=0 if is_paused else round(count.arriving_per_s * (since_s or 0.0)),
                waiting=0 if is_paused else sum(count.waiting),
                busy=workers.busy,
                live=workers.live,
                live_part=workers.live_part,
                worker_per_s=count.worker_per_s,
                goal_s=goal_s,
                start_s=start.whole_s if start else START_S,
            )
        )
        return QueueFigures(
            workers.busy,
            workers.silent,
            need.workers,
            need.load,
            goal_s,
            own.dead_letters if own else None,
            self._slow.sizes(queue),
        )
