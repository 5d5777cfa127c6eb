"""How long jobs lived that end without a verdict: cancelled, expired while waiting, or dead with a worker."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

from jobs import metrics
from jobs.core.ids import unix_ms_of
from jobs.core.states import State
from jobs.db import database_clock
from jobs.metrics.bulk_observe import observe_many


class EndedJob(NamedTuple):
    """A job that a transaction ended, and its model."""

    id: UUID
    model: str


def observe_ends(jobs: Iterable[EndedJob], state: State) -> None:
    """Observe the time from the creation of jobs until now; called once their end is committed."""
    now_s = database_clock.now_s()
    seconds = defaultdict[str, list[float]](list)
    for job in jobs:
        seconds[job.model].append(max(now_s - unix_ms_of(job.id) / 1_000, 0.0))
    for model, values in seconds.items():
        observe_many(metrics.JOB_TIME.labels(model, state.value), values)
