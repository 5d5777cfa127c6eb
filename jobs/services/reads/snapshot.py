"""Where a job stands, as its events tell it: state, epoch, and the newest report of progress."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID

from jobs.core.event_id import EventId
from jobs.core.states import TERMINAL, State
from jobs.db.positional import Row
from jobs.services.reads.job_views import EPOCH_AT, View, view_of

STANDING: LiteralString = """
SELECT j.id, j.state, j.epoch, j.attempts, b.progress -> j.id::text
FROM jobs_job j LEFT JOIN jobs_batch b ON b.id = j.batch_id AND j.state = 'running'
WHERE j.id = ANY(%(ids)s)
"""


@dataclass(frozen=True, slots=True)
class JobSnapshot:
    """A job's newest; `view` is the whole job once it has ended."""

    id: UUID
    mark: EventId
    attempts: int
    fraction: float | None = None
    message: str = ""
    view: View | None = None


def standing_of(row: Row) -> JobSnapshot:
    """Return the standing that a row of `STANDING` tells; progress of an earlier attempt does not count."""
    job_id, state, epoch, attempts, told = row
    if not isinstance(told, Mapping) or told.get("epoch") != epoch:
        return JobSnapshot(job_id, EventId(epoch, 0, state), attempts)
    mark = EventId(epoch, int(told["step"]), state)
    return JobSnapshot(job_id, mark, attempts, float(told["fraction"]), str(told["message"]))


def standing_of_view(row: Row) -> JobSnapshot:
    """Return the standing that a row of `views.ONE` or `views.ENDED` tells, which knows of no progress."""
    view: dict[str, Any] = view_of(row)
    mark = EventId(row[EPOCH_AT], 0, view["state"])
    ended = State(view["state"]) in TERMINAL
    return JobSnapshot(view["id"], mark, view["attempts"], view=view if ended else None)
