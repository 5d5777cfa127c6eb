"""A job's state, epoch and newest report of progress, as the events of the job show them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec

from jobs.core.event_id import EventId
from jobs.core.payloads.stored_output import ShownBytes
from jobs.core.states import TERMINAL, State
from jobs.db.statement import Statement
from jobs.services.reads.job_views import STEPS_ENDED, JobRow, View, listed_view, step_of, view_of


class SnapshotRow(msgspec.Struct, frozen=True):
    """A job, and the progress that its open batch last reported of it."""

    id: UUID
    state: str
    epoch: int
    attempts: int
    progress: Any
    steps_ended: int | None


# A job that was claimed once at most is in its first step: no row of a step is looked for.
SNAPSHOTS = Statement(
    f"""
SELECT j.id, j.state, j.epoch, j.attempts, b.progress -> j.id::text AS progress,
  CASE WHEN j.epoch > 1 THEN {STEPS_ENDED} END AS steps_ended
FROM jobs_job j LEFT JOIN jobs_batch b ON b.id = j.batch_id AND j.state = 'running'
WHERE j.id = ANY(%(ids)s)
""",  # noqa: S608  # built from a constant
    SnapshotRow,
)
BATCH_MEMBERS = Statement("SELECT unnest(members) FROM jobs_batch WHERE id = ANY(%(batches)s)", UUID)


class JobSnapshot(msgspec.Struct, frozen=True):
    """The newest state of a job; `view` is the whole job once it has ended.

    `lacks_output`: it is the job without its output, which is large: whoever sends it reads it. `step` is the
    number of the cascade's step that it is in, where an earlier one has ended.
    """

    id: UUID
    event_id: EventId
    attempts: int
    fraction: float | None = None
    message: str = ""
    view: View | None = None
    lacks_output: bool = False
    step: int | None = None


def snapshot_of(row: SnapshotRow) -> JobSnapshot:
    """Return the snapshot of a row of SNAPSHOTS; progress of an earlier attempt does not count."""
    progress = row.progress
    step = None if row.steps_ended is None else step_of(row.steps_ended, row.state)
    if not isinstance(progress, Mapping) or progress.get("epoch") != row.epoch:
        return JobSnapshot(row.id, EventId(row.epoch, 0, row.state), row.attempts, step=step)
    event_id = EventId(row.epoch, int(progress["step"]), row.state)
    return JobSnapshot(
        row.id, event_id, row.attempts, float(progress["fraction"]), str(progress["message"]), step=step
    )


def snapshot_of_job(row: JobRow) -> JobSnapshot:
    """Return the snapshot of a whole job, whose row holds no progress; the errors of `view_of`."""
    view = view_of(row)
    ended = State(row.state) in TERMINAL
    return JobSnapshot(row.id, EventId(row.epoch, 0, row.state), row.attempts, view=view if ended else None)


def written_end(row: JobRow) -> JobSnapshot:
    """Return the snapshot of an ended job, with JSON made of an output of bytes; the errors of `view_of`."""
    end = snapshot_of_job(row)
    output = end.view.get("output") if end.view else None
    if isinstance(output, ShownBytes):
        _ = output.json
    return end


def end_without_output(row: JobRow) -> JobSnapshot:
    """Return the snapshot of an ended job, without what lies in the storage."""
    event_id = EventId(row.epoch, 0, row.state)
    return JobSnapshot(row.id, event_id, row.attempts, view=listed_view(row), lacks_output=True)
