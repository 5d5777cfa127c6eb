"""The recorder: each second it stores how the platform went, from what claims and settles store already."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from math import floor
from threading import Event

import msgspec
import sqlalchemy as sa

from jobs import metrics
from jobs.core.operations.history_steps import HistoryStep, HistorySteps, QueueLook
from jobs.core.operations.operations_history import LAG_S, STEP_S, STEPS, HistorySpan
from jobs.core.operations.recent_jobs import RecentJobs, RecentWindow
from jobs.core.queue_names import is_slow, model_of_queue
from jobs.db import leases
from jobs.db.leases import HELD, fence_of
from jobs.db.listen_loop import ListenLoop
from jobs.db.statement import Statement, run
from jobs.services.admission.survey_reads import SURVEYED, SurveyedQueue
from jobs.services.operations import ended_statements
from jobs.services.operations.ended_reads import EndedReads

LATE_S = 5  # seconds that a late recorder makes up for; before them it leaves a gap
BACK_S = 5  # a clock that is so far behind the last second on record was set back
STALE_S = 10.0  # an older count of the surveyor is not recorded
_KEPT = {STEP_S[span]: STEP_S[span] * STEPS[span] for span in HistorySpan}  # seconds by step

_STORE = Statement(f"""
WITH steps AS (
  INSERT INTO jobs_operationsstep (step_s, at, queue, in_per_s, out_per_s, waiting, oldest_s, p50_s, p95_s,
    p99_s, batch_size, failed_per_s, workers)
  SELECT step_s, at, queue, in_per_s, out_per_s, waiting, oldest_s, p50_s, p95_s, p99_s, batch_size,
    failed_per_s, workers
  FROM jsonb_to_recordset(%(steps)s::text::jsonb) AS step(step_s smallint, at bigint, queue text,
    in_per_s float8, out_per_s float8, waiting integer, oldest_s float8, p50_s float8, p95_s float8,
    p99_s float8, batch_size float8, failed_per_s float8, workers integer)
  WHERE {HELD} ON CONFLICT DO NOTHING
), recent AS (
  INSERT INTO jobs_operationsrecent (id, at, body) SELECT 1, %(at)s, %(recent)s::bytea WHERE {HELD}
  ON CONFLICT (id) DO UPDATE SET at = EXCLUDED.at, body = EXCLUDED.body
)
DELETE FROM jobs_operationsstep WHERE {HELD}
  AND (step_s = 1 AND at <= %(at)s - %(hour_s)s OR step_s = 60 AND at <= %(at)s - %(day_s)s)
""")  # noqa: S608  # built from a constant


class OperationsRecorder(ListenLoop):
    """Records until stopped; one process at a time does."""

    office = leases.RECORDER

    def __init__(self, *, stop: Event, clock: Callable[[], float] = time.monotonic) -> None:
        """Prepare to record; `clock` returns monotonic seconds."""
        super().__init__(stop=stop, clock=clock)
        self._pause_s = 1.0
        self._next: int | None = None
        self._forget()

    @property
    def pause_s(self) -> float:
        """Return the seconds until the next second can be recorded."""
        return self._pause_s

    def closed(self) -> None:
        """Forget the window: another process may record meanwhile."""
        self._forget()

    def step(self, session: sa.Connection, payloads: Sequence[str]) -> None:  # noqa: ARG002  # no channel notifies it
        """Record the seconds that are over."""
        began_s = self._clock()
        (now,) = run(session, ended_statements.NOW)
        newest = floor(now - LAG_S) - 1
        for second in range(self._begin(newest), newest + 1):
            self.record(session, second)
            self._next = second + 1
        took_s = self._clock() - began_s
        metrics.RECORDING_TIME.observe(took_s)
        self._pause_s = max(newest + 2 + LAG_S - now - took_s, 0.05)

    def _begin(self, newest: int) -> int:
        """Return the first second to record; what is known of others is forgotten where it does not help."""
        if self._next is None or newest - self._next >= LATE_S:
            self._reads = EndedReads()  # batches that began within a gap would be missed at their ends
            return newest
        if newest < self._next - BACK_S:
            self._forget()  # else nothing would be on record until the clock is there again
            return newest
        return self._next

    def record(self, session: sa.Connection, second: int) -> None:
        """Record one second, which must be over."""
        queues = run(session, SURVEYED)
        ended = self._reads.read(session, second)
        self._window.add(second, ended)
        steps = self._steps.add(second, ended.models, _looks(queues))
        goals = {queue.queue: queue.goal_s for queue in queues if not is_slow(queue.queue)}
        _store(session, steps, self._window.stored(goals))

    def _forget(self) -> None:
        self._reads, self._window, self._steps = EndedReads(), RecentWindow(), HistorySteps()
        self._next = None


def _looks(queues: Sequence[SurveyedQueue]) -> dict[str, QueueLook] | None:
    if not queues or min(queue.age_s for queue in queues) > STALE_S:
        return None
    of_model = defaultdict[str, list[SurveyedQueue]](list)  # with its slow lane, if it has one
    for queue in queues:
        of_model[model_of_queue(queue.queue)].append(queue)
    return {
        model: QueueLook(
            waiting=sum(sum(queue.waiting) for queue in part),
            oldest_s=max((age_s for queue in part for age_s in queue.head_age_s), default=0.0),
            in_per_s=sum(queue.arrivals_per_s or 0.0 for queue in part),
            workers=max(queue.workers for queue in part),
        )
        for model, part in of_model.items()
    }


def _store(session: sa.Connection, steps: Sequence[HistoryStep], recent: RecentJobs) -> None:
    values = {
        "steps": json.dumps(msgspec.to_builtins(steps)),
        "recent": msgspec.json.encode(recent),
        "at": recent.at,
        "hour_s": _KEPT[1],
        "day_s": _KEPT[60],
    }
    run(session, _STORE, {**values, **fence_of(session)})
