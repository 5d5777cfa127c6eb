"""Stored inputs for trials: a sample of jobs, the recorded batches, and the rows of their payloads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

import sqlalchemy as sa

from jobs.core.ids import first_id_at
from jobs.core.states import TERMINAL, State
from jobs.core.trials.trial_specs import BacktestSpec
from jobs.db import database_clock
from jobs.db.statement import Statement, fetch_all, run
from jobs.services.reads.job_views import ENCRYPTS

LOOKED_AT = 1_000_000  # the newest jobs, of all models
LOOKED_AT_ONCE = 100_000  # while a call waits
LAST_ID = UUID(int=(1 << 128) - 1)
_DAY_MS = 86_400_000


class StoredInput(NamedTuple):
    """A job with its input as it is stored; `body` is None where that is gone, `model` is a row id."""

    job: UUID
    client: int
    model: int
    state: str
    body: bytes | None
    parameters: bytes | None
    encoding: str | None
    encrypts: bool
    wrapped: bytes | None
    answer: bytes | None


class RecordedBatch(NamedTuple):
    """A batch that a worker has run, and its jobs in order."""

    id: UUID
    members: list[UUID]


# The range lets Postgres skip the partitions of other days.
_READ = Statement(
    f"""
SELECT job.id AS job, job.client_id AS client, v.model_id AS model, job.state,
  CASE WHEN job.erased_at IS NULL THEN input.body END AS body, input.parameters, input.encoding,
  {ENCRYPTS} AS encrypts, keys.wrapped, keys.answer
FROM jobs_job job JOIN models_registry_modelversion v ON v.id = job.version_id
LEFT JOIN LATERAL (
  SELECT body, parameters, encoding FROM jobs_jobinput
  WHERE job_id = job.id AND job_id BETWEEN %(first)s AND %(last)s LIMIT 1
) AS input ON true
LEFT JOIN LATERAL (
  SELECT wrapped, answer FROM jobs_jobkey
  WHERE job_id = job.id AND input.encoding <> 'identity' LIMIT 1
) AS keys ON true
WHERE job.id = ANY(%(jobs)b::uuid[])
""",  # noqa: S608  # built from our own constants
    StoredInput,
)
_CHOSEN: LiteralString = """
queue = %(model)s AND state = ANY(%(states)s::text[])
    AND (%(version)s::bigint IS NULL OR version_id = %(version)s)
    AND (%(client)s::bigint IS NULL OR client_id = %(client)s)
    AND (%(priority)s::int IS NULL OR priority = %(priority)s)
"""
_SAMPLE = Statement(
    f"""
SELECT id FROM (
  SELECT id FROM (
    SELECT id, queue, state, version_id, client_id, priority FROM jobs_job
    WHERE id >= %(first)s AND id < %(end)s ORDER BY id DESC LIMIT %(looked_at)s
  ) AS looked WHERE {_CHOSEN}
) AS chosen ORDER BY md5(id::text), id LIMIT %(most)s
""",  # noqa: S608
    UUID,
)
_LABELLED = Statement(
    f"""
SELECT id FROM jobs_job WHERE id = ANY(%(jobs)b::uuid[]) AND id >= %(first)s AND id < %(end)s AND {_CHOSEN}
ORDER BY md5(id::text), id LIMIT %(most)s
""",  # noqa: S608
    UUID,
)


class _Look(NamedTuple):
    found: bool
    looked: int


_ANY = Statement(
    f"""
WITH looked AS MATERIALIZED (
  SELECT id, queue, state, version_id, client_id, priority FROM jobs_job
  WHERE id >= %(first)s AND id < %(end)s ORDER BY id DESC LIMIT %(looked_at)s
)
SELECT (SELECT count(*) FROM looked)::int AS looked, EXISTS (
  SELECT FROM looked JOIN jobs_jobinput input ON input.job_id = looked.id
  WHERE {_CHOSEN} AND state <> %(cancelled)s) AS found
""",  # noqa: S608
    _Look,
)
_BATCHES = Statement(
    """
SELECT id, members FROM jobs_batch
WHERE version_id = ANY(%(versions)s::bigint[]) AND finished_at IS NOT NULL AND id < %(before)s
ORDER BY id DESC LIMIT %(most)s
""",
    RecordedBatch,
)
_OTHERS = Statement(
    """
SELECT v.id FROM models_registry_modelversion v JOIN models_registry_registeredmodel m ON m.id = v.model_id
WHERE m.name = %(model)s AND v.id <> %(candidate)s
""",
    int,
)


def read_inputs(session: sa.Connection, jobs: Sequence[UUID]) -> list[StoredInput]:
    """Return what is stored of jobs, in their order; jobs without a row are left out."""
    if not jobs:
        return []
    values = {"jobs": list(jobs), "first": min(jobs), "last": max(jobs)}
    by_job = {row.job: row for row in run(session, _READ, values)}
    return [by_job[job] for job in jobs if job in by_job]


def sample(session: sa.Connection, model: str, spec: BacktestSpec) -> list[UUID]:
    """Return up to `spec.most` ended jobs that match, by the MD5 of their ids: the same ones at each call.

    Of a model with many jobs these are some of the newest LOOKED_AT jobs of all models.
    """
    values = _values(model, spec)
    if spec.labels is not None:
        return run(session, _LABELLED, {**values, "jobs": [UUID(job) for job in spec.labels]})
    return run(session, _SAMPLE, {**values, "looked_at": LOOKED_AT})


def may_have_inputs(model: str, spec: BacktestSpec) -> bool:
    """Return False where no stored input matches, as far as a quick look shows."""
    if spec.labels is not None:
        return bool(
            fetch_all(_LABELLED, {**_values(model, spec), "jobs": [UUID(job) for job in spec.labels]})
        )
    values = {**_values(model, spec), "looked_at": LOOKED_AT_ONCE, "cancelled": State.CANCELLED}
    (look,) = fetch_all(_ANY, values)
    return look.found or look.looked == LOOKED_AT_ONCE


def recorded_batches(
    session: sa.Connection, *, model: str, candidate: int, before: UUID | None, most: int
) -> list[RecordedBatch]:
    """Return the newest finished batches before one, of all versions of a model but the candidate."""
    versions = run(session, _OTHERS, {"model": model, "candidate": candidate})
    return run(session, _BATCHES, {"versions": versions, "before": before or LAST_ID, "most": most})


def recent_inputs(session: sa.Connection, *, model: str, candidate: int, most: int) -> list[StoredInput]:
    """Return stored inputs of the newest batches, up to `most`."""
    batches = recorded_batches(session, model=model, candidate=candidate, before=None, most=most)
    jobs = [job for batch in batches for job in batch.members][:most]
    return [row for row in read_inputs(session, jobs) if row.body is not None]


def _values(model: str, spec: BacktestSpec) -> Mapping[str, Any]:
    chosen = spec.filter
    until_ms = database_clock.now_ms() + _DAY_MS  # other hosts' clocks may be ahead
    if chosen.created_before is not None:
        until_ms = int(chosen.created_before.timestamp() * 1_000)
    since_ms = 0 if chosen.created_after is None else int(chosen.created_after.timestamp() * 1_000)
    return {
        "model": model,
        "states": sorted(TERMINAL if chosen.state is None else {chosen.state}),
        "version": spec.version,
        "client": spec.client,
        "priority": chosen.priority,
        "first": first_id_at(since_ms),
        "end": first_id_at(until_ms),
        "most": spec.most,
    }
