"""Progress: the newest report of each job beside its batch, and which claims of a batch are void."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from uuid import UUID

import msgspec
import sqlalchemy as sa

from jobs.core.channels import PROGRESSED
from jobs.core.states import Verb, target
from jobs.db.statement import Statement, run


@dataclass(frozen=True, slots=True)
class ProgressReport:
    """One job's newest report: the epoch of its claim, and how many reports there were since."""

    epoch: int
    step: int
    fraction: float
    message: str


# A batch is settled in one transaction, so this waits for one row at most. A worker may not know yet that a
# job of it was erased.
_WRITE = Statement("""
WITH written AS (
  UPDATE jobs_batch SET progress = coalesce(progress, '{}'::jsonb) || coalesce((
    SELECT jsonb_object_agg(report.key, report.value) FROM jsonb_each(%(progress)s::jsonb) AS report
    WHERE NOT EXISTS (
      SELECT FROM jobs_job WHERE id = CAST(report.key AS uuid) AND erased_at IS NOT NULL)
  ), '{}'::jsonb)
  WHERE id = %(batch)s RETURNING id
)
SELECT pg_notify(jobs_channel(%(channel)s), 'batch:' || id) FROM written
""")

_VOID = Statement(
    """
SELECT held.id FROM unnest(%(jobs)s::uuid[], %(epochs)s::int[]) AS held(id, epoch)
WHERE NOT EXISTS (
  SELECT FROM jobs_job job WHERE job.id = held.id AND job.epoch = held.epoch AND job.state = %(running)s
)
""",
    UUID,
)


def write_progress(connection: sa.Connection, *, batch: UUID, reports: Mapping[UUID, ProgressReport]) -> None:
    """Store the newest reports of some members of a batch, and notify those who follow them."""
    progress = msgspec.json.encode({str(job): asdict(report) for job, report in reports.items()}).decode()
    run(connection, _WRITE, {"batch": batch, "progress": progress, "channel": PROGRESSED})


def taken_away(connection: sa.Connection, *, held: Collection[tuple[UUID, int]]) -> set[UUID]:
    """Return those of `held` (id, epoch of the claim) whose claim a cancel, a reap or an end made void."""
    parameters = {
        "jobs": [job for job, _ in held],
        "epochs": [epoch for _, epoch in held],
        "running": target(Verb.CLAIM),
    }
    return set(run(connection, _VOID, parameters))
