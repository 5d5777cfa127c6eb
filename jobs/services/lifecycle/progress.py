"""Progress: the newest report of each job beside its batch, and which jobs of a batch were taken from it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from uuid import UUID

import msgspec
import sqlalchemy as sa

from jobs.core.channels import PROGRESSED
from jobs.core.states import Verb, target


@dataclass(frozen=True, slots=True)
class ProgressReport:
    """One job's newest report: the epoch of its claim, and how many reports there were since."""

    epoch: int
    step: int
    fraction: float
    message: str


# Batches are settled one a transaction, so a row each is all that this may wait for.
_WRITE = sa.text("""
WITH written AS (
  UPDATE jobs_batch SET progress = coalesce(progress, CAST('{}' AS jsonb)) || CAST(:progress AS jsonb)
  WHERE id = :batch RETURNING id
)
SELECT pg_notify(:channel, 'batch:' || id) FROM written
""")

_TAKEN = sa.text("""
SELECT held.id FROM unnest(CAST(:jobs AS uuid[]), CAST(:epochs AS int[])) AS held(id, epoch)
WHERE NOT EXISTS (
  SELECT FROM jobs_job job WHERE job.id = held.id AND job.epoch = held.epoch AND job.state = :running
)
""")


def write_progress(connection: sa.Connection, *, batch: UUID, reports: Mapping[UUID, ProgressReport]) -> None:
    """Keep the newest reports of some members of a batch, and tell who follows them."""
    told = msgspec.json.encode({str(job): asdict(report) for job, report in reports.items()}).decode()
    connection.execute(_WRITE, {"batch": batch, "progress": told, "channel": PROGRESSED})


def taken_away(connection: sa.Connection, *, held: Collection[tuple[UUID, int]]) -> set[UUID]:
    """Return those of `held` (id, epoch of the claim) whose claim is void, by a cancel, a reap or an end."""
    parameters = {
        "jobs": [job for job, _ in held],
        "epochs": [epoch for _, epoch in held],
        "running": target(Verb.CLAIM).value,
    }
    return set(connection.execute(_TAKEN, parameters).scalars())
