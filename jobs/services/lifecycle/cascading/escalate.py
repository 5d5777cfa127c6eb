"""Escalate: a job whose answer is not enough is queued at the version of the next step, of any model.

The claim's attempt is not charged, because it was no failure. Attempts that failed before stay charged: the
limit is of the whole job, whichever versions run it, as where a roll-out takes jobs back. The entry in the
cache and the followers stay as they are: they are of the whole cascade.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa

from jobs.core.channels import SUBMITTED
from jobs.core.states import Verb, sources, target
from jobs.db.statement import Statement, run
from jobs.services.lifecycle.cascading.step_rows import EndedStep
from jobs.services.lifecycle.enqueue import enqueue


class LockedStep(NamedTuple):
    """A job of the batch that is locked now; `late` past its deadline; `staged`: the next version is."""

    id: UUID
    late: bool
    staged: bool


_LOCK = Statement(
    """
SELECT job.id, COALESCE(job.deadline <= now(), false) AS late,
  given.goto = 0 OR EXISTS (
    SELECT FROM models_registry_modelversion next WHERE next.id = given.goto AND next.state = 'staged'
  ) AS staged
FROM unnest(%(jobs)b::uuid[], %(epochs)b::int[], %(gotos)b::bigint[]) AS given(id, epoch, goto)
JOIN jobs_job job USING (id, epoch)
WHERE job.batch_id = %(batch)s AND job.state = ANY(%(sources)s::text[])
ORDER BY job.id FOR UPDATE OF job SKIP LOCKED
""",
    LockedStep,
)


class _Escalated(NamedTuple):
    id: UUID
    before: int
    to: int
    model: str
    epoch: int


_MOVE = Statement(
    """
UPDATE jobs_job job SET version_id = version.id, queue = model.name, state = %(queued)s,
  epoch = job.epoch + 1, attempts = job.attempts - 1, batch_id = NULL, started_at = NULL
FROM unnest(%(jobs)s::uuid[], %(gotos)s::bigint[]) AS given(id, goto) JOIN jobs_job old USING (id)
JOIN models_registry_modelversion version ON version.id = given.goto
JOIN models_registry_registeredmodel model ON model.id = version.model_id
WHERE job.id = given.id
RETURNING job.id, old.version_id AS before, version.id AS to, model.name AS model, old.epoch
""",
    _Escalated,
)
NOTE = Statement("""
INSERT INTO jobs_event (job_id, kind, actor, epoch, detail)
SELECT id, %(kind)s, %(actor)s, epoch, detail::jsonb
FROM unnest(%(jobs)s::uuid[], %(epochs)s::int[], %(details)s::text[]) AS moved(id, epoch, detail)
""")
_WAKE = Statement("""
SELECT pg_notify(jobs_channel(%(channel)s), model) FROM unnest(%(models)s::text[]) AS model
""")


def lock_steps(connection: sa.Connection, batch: UUID, steps: Sequence[EndedStep]) -> dict[UUID, LockedStep]:
    """Lock the jobs of a batch whose steps ended; one that is not here is locked, or another claim's now."""
    parameters = {
        "jobs": [step.job for step in steps],
        "epochs": [step.epoch for step in steps],
        "gotos": [step.verdict.goto for step in steps],
        "batch": batch,
        "sources": sources(Verb.ESCALATE),
    }
    return {row.id: row for row in run(connection, _LOCK, parameters)}


def escalate(connection: sa.Connection, steps: Sequence[EndedStep], *, batch: UUID, worker: str) -> None:
    """Queue jobs that this transaction has locked at the versions of their next steps."""
    if not steps:
        return
    by_job = {step.job: step.verdict for step in steps}
    parameters = {
        "jobs": list(by_job),
        "gotos": [verdict.goto for verdict in by_job.values()],
        "queued": target(Verb.ESCALATE),
    }
    moved = run(connection, _MOVE, parameters)
    enqueue(connection, dict.fromkeys(by_job, 0.0))
    origin = {"batch": str(batch), "worker": worker}
    note = {
        "jobs": [row.id for row in moved],
        "epochs": [row.epoch for row in moved],
        "details": [json.dumps(_detail(row, by_job[row.id].why) | origin) for row in moved],
    }
    run(connection, NOTE, note | {"kind": Verb.ESCALATE, "actor": "worker"})
    run(connection, _WAKE, {"channel": SUBMITTED, "models": sorted({row.model for row in moved})})


def _detail(row: _Escalated, why: str) -> dict[str, object]:
    # Without the confidence, which is content: events cannot be changed, not even by an erasure.
    return {"from": row.before, "to": row.to, "why": why}
