"""Degrade: where the next step cannot answer, the answer of the step before stands, and is marked so.

The job gets back the version and the batch whose answer it is, so that its lineage is true. Its entry in the
cache goes: the next identical job is to have the whole cascade.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

import sqlalchemy as sa

from jobs.core.cascades.step_ends import StepEnd
from jobs.core.channels import SETTLED
from jobs.core.states import Verb, target
from jobs.db.statement import Statement, run
from jobs.services.lifecycle.cascading.escalate import NOTE
from jobs.services.lifecycle.enqueue import WITHDRAW


@dataclass(frozen=True, slots=True)
class Fall:
    """A job whose step could not answer, how that step ended, and what the job's Event says of it."""

    job: UUID
    why: StepEnd
    detail: Mapping[str, Any] = field(default_factory=dict)


class Fallen(NamedTuple):
    """A job that has the answer of the step before: its versions, and the epoch that it had."""

    id: UUID
    before: int
    to: int
    epoch: int


# Earlier batches are locked in the order of their ids: two workers whose batches fail at once share some.
_ANSWER = Statement(
    """
WITH last AS MATERIALIZED (
  SELECT DISTINCT ON (job_id) job_id, number, rule, version_id, batch_id, degrades, body, encoding
  FROM jobs_step
  WHERE job_id = ANY(%(jobs)s::uuid[]) ORDER BY job_id, epoch DESC
), given AS (
  SELECT * FROM unnest(%(jobs)s::uuid[], %(whys)s::text[]) AS given(id, why)
), ended AS (
  UPDATE jobs_job job SET state = %(succeeded)s, epoch = job.epoch + 1, version_id = last.version_id,
    queue = model.name, batch_id = last.batch_id, finished_at = now(), error_kind = '', error_code = ''
  FROM last JOIN jobs_job old ON old.id = last.job_id
  JOIN models_registry_modelversion version ON version.id = last.version_id
  JOIN models_registry_registeredmodel model ON model.id = version.model_id
  WHERE job.id = last.job_id AND last.degrades AND last.body IS NOT NULL
  RETURNING job.id, old.version_id AS before, old.batch_id, old.epoch, job.version_id AS to,
    job.epoch AS now, job.keep_days, last.body, last.encoding
), stored AS (
  INSERT INTO jobs_jobresult (job_id, keep_days, epoch, body, encoding, degraded)
  SELECT id, keep_days, now, body, encoding, true FROM ended
), noted AS (
  INSERT INTO jobs_step (job_id, epoch, number, rule, version_id, batch_id, why)
  SELECT ended.id, ended.now, last.number + 1, last.rule, ended.before, ended.batch_id, given.why
  FROM ended JOIN last ON last.job_id = ended.id JOIN given USING (id)
), batches AS MATERIALIZED (
  SELECT id FROM jobs_batch
  WHERE id IN (SELECT last.batch_id FROM ended JOIN last ON last.job_id = ended.id)
  ORDER BY id FOR UPDATE
), counted AS (
  UPDATE jobs_batch batch SET succeeded = batch.succeeded + theirs.jobs,
    released = GREATEST(batch.released - theirs.jobs, 0)
  FROM batches JOIN (
    SELECT last.batch_id, count(*) AS jobs FROM ended JOIN last ON last.job_id = ended.id GROUP BY 1
  ) AS theirs ON theirs.batch_id = batches.id WHERE batch.id = batches.id
), forgotten AS (
  DELETE FROM jobs_cacheentry WHERE job_id = ANY(%(jobs)s::uuid[])
)
SELECT id, before, "to", epoch FROM ended
""",
    Fallen,
)


def falls_back(job: LiteralString) -> LiteralString:
    """Return the SQL of whether a job's last step has an answer that may stand, by the job's id."""
    return f"""
COALESCE((
  SELECT degrades AND body IS NOT NULL FROM jobs_step WHERE job_id = {job} ORDER BY epoch DESC LIMIT 1
), false)
"""  # noqa: S608  # of constants


_NOTIFY = Statement("""
SELECT pg_notify(jobs_channel(%(channel)s), 'job:' || id) FROM unnest(%(jobs)s::uuid[]) AS ended(id)
""")


def degrade(connection: sa.Connection, falls: Sequence[Fall], *, actor: str) -> set[UUID]:
    """Answer jobs that this transaction has locked by their last steps; return those that have an answer."""
    fallen = fall_back(connection, falls)
    note_fallen(connection, fallen, falls, actor=actor)
    return {row.id for row in fallen}


def fall_back(connection: sa.Connection, falls: Sequence[Fall]) -> list[Fallen]:
    """Do what `degrade` does but for the Events; return the jobs that have an answer.

    One call for all of a transaction's jobs, because two would lock earlier batches in two orders.
    """
    if not falls:
        return []
    parameters = {"jobs": [fall.job for fall in falls], "whys": [fall.why.value for fall in falls]}
    fallen = run(connection, _ANSWER, parameters | {"succeeded": target(Verb.DEGRADE)})
    if fallen:
        jobs = [row.id for row in fallen]
        run(connection, WITHDRAW, {"jobs": jobs})
        run(connection, _NOTIFY, {"channel": SETTLED, "jobs": jobs})
    return fallen


def note_fallen(
    connection: sa.Connection, fallen: Sequence[Fallen], falls: Sequence[Fall], *, actor: str
) -> None:
    """Append the Events of jobs that fell back; those of the attempts that failed come before."""
    if not fallen:
        return
    by_job = {fall.job: fall for fall in falls}
    details = [
        {"from": row.before, "to": row.to, "why": by_job[row.id].why, **by_job[row.id].detail}
        for row in fallen
    ]
    note = {
        "jobs": [row.id for row in fallen],
        "epochs": [row.epoch for row in fallen],
        "details": [json.dumps(detail) for detail in details],
    }
    run(connection, NOTE, note | {"kind": Verb.DEGRADE, "actor": actor})
