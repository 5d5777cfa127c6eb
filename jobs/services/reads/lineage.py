"""The origin of a result: the build of the model, and the input, batch and device."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from jobs.core.errors import JobErasedError
from jobs.core.payloads.job_keys import JobIdentity
from jobs.core.payloads.keyring import Column
from jobs.db.statement import Statement, fetch_all
from jobs.payloads import vault
from jobs.payloads.claim_check import load_plain
from jobs.payloads.job_seal import JobSeal
from jobs.payloads.sql import IS_POINTER, POINTER
from jobs.services.reads.job_routes import job_route, route_view
from jobs.services.reads.job_steps import job_steps
from jobs.services.reads.job_views import OF_CLIENT, View
from models_registry.selectors import info

MOST_EVENTS = 100


@dataclass(frozen=True, slots=True)
class _LineageRow:
    """A job with its version, batch and worker; its payloads as stored bytes, or the SHA-256 of each."""

    id: UUID
    state: str
    epoch: int
    attempts: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    model: str
    version_id: int
    version: str
    loader: str
    artifact_sha256: str | None
    artifact_source: str | None
    origin: Any
    input: bytes | None
    parameters: bytes | None
    input_encoding: str
    output: bytes | None
    output_encoding: str
    output_epoch: int | None
    source: UUID | None
    batch: UUID | None
    batch_size: int | None
    seal_reason: str | None
    claimed_at: datetime | None
    ran_s: float | None
    batch_finished_at: datetime | None
    worker: UUID | None
    node: str | None
    device: str | None
    client: int
    wrapped: bytes | None
    answer: bytes | None
    erased: bool

    @property
    def seal(self) -> JobSeal:
        """Return what opens the payloads."""
        version = info(self.version_id)
        identity, encrypts = JobIdentity(self.id, self.client, version.model_id), version.secrecy.encrypt
        return JobSeal(identity, self.wrapped, self.answer, encrypts=encrypts, run=self.source)


class _EventRow(NamedTuple):
    at: datetime
    what: str
    epoch: int | None
    kind: str | None
    code: str | None
    batch: UUID | None
    worker: str | None
    device: str | None


# A pointer holds the SHA-256 of its object, so no byte of the object is read.
_SHA256: LiteralString = f"""
CASE WHEN {IS_POINTER} THEN decode({POINTER}->>'sha256', 'hex') ELSE sha256({{0}}) END
"""
_LINEAGE = Statement(
    f"""
SELECT j.id, j.state, j.epoch, j.attempts, j.created_at, j.started_at, j.finished_at,
  j.queue AS model, j.version_id, v.version, v.loader, NULLIF(v.sha256, '') AS artifact_sha256,
  NULLIF(v.source, '') AS artifact_source, v.origin,
  CASE WHEN %(stored)s THEN i.body ELSE {_SHA256.format("i.body")} END AS input,
  CASE WHEN %(stored)s THEN i.parameters ELSE sha256(i.parameters) END AS parameters,
  i.encoding AS input_encoding,
  CASE WHEN %(stored)s THEN r.body ELSE {_SHA256.format("r.body")} END AS output,
  r.encoding AS output_encoding, r.epoch AS output_epoch, r.source,
  b.id AS batch, b.size AS batch_size, b.seal_reason, b.claimed_at, b.ran_s,
  b.finished_at AS batch_finished_at, w.id AS worker, w.node, w.device,
  j.client_id AS client, k.wrapped, k.answer, j.erased_at IS NOT NULL AS erased
FROM jobs_job j JOIN models_registry_modelversion v ON v.id = j.version_id
LEFT JOIN LATERAL (SELECT * FROM jobs_jobinput WHERE job_id = %(id)s LIMIT 1) i ON true
LEFT JOIN LATERAL (SELECT * FROM jobs_jobresult WHERE job_id = %(id)s LIMIT 1) r ON j.state = 'succeeded'
LEFT JOIN jobs_jobkey k ON k.job_id = j.id AND %(stored)s
LEFT JOIN jobs_batch b ON b.id = j.batch_id
LEFT JOIN jobs_worker w ON w.id = b.worker_id
WHERE j.id = %(id)s AND {OF_CLIENT}
""",  # noqa: S608  # built from our own constants
    _LineageRow,
)
# Sorted by time and not by id: for the id the planner could walk the primary key past the events of all
# other jobs.
_EVENTS = Statement(
    """
SELECT e.at, e.kind AS what, e.epoch, e.detail->>'kind' AS kind, e.detail->>'code' AS code,
  b.id AS batch, w.node AS worker, w.device
FROM (SELECT * FROM jobs_event WHERE job_id = %(id)s ORDER BY at DESC, id DESC LIMIT %(most)s) e
LEFT JOIN jobs_batch b ON b.id = CAST(e.detail->>'batch' AS uuid)
LEFT JOIN jobs_worker w ON w.id = b.worker_id ORDER BY e.at, e.id
""",
    _EventRow,
)


def lineage(job_id: UUID, *, client_id: int | None) -> View | None:
    """Return the lineage of a job (of `client_id`, if given), its newest events last; None without a job.

    JobErasedError where it was erased.
    """
    params = {"id": job_id, "client": client_id, "stored": False}
    rows = fetch_all(_LINEAGE, params)
    if rows and rows[0].erased:
        raise JobErasedError
    if rows and _is_guarded(rows[0]):
        rows = fetch_all(_LINEAGE, params | {"stored": True})
    if not rows:
        return None
    events = fetch_all(_EVENTS, {"id": job_id, "most": MOST_EVENTS})
    route = job_route(job_id)
    return _view(rows[0]) | {
        "route": route_view(route),
        "steps": [] if route is None else [step._asdict() for step in job_steps(job_id)],
        "history": [event._asdict() for event in events],
    }


def _is_guarded(row: _LineageRow) -> bool:
    return info(row.version_id).secrecy.guarded


def _view(row: _LineageRow) -> View:
    """Return the lineage without its route and history; a part is None where its row is gone or never was."""
    return {
        "id": row.id,
        "state": row.state,
        "epoch": row.epoch,
        "attempts": row.attempts,
        "created_at": row.created_at,
        "started_at": row.started_at,
        "finished_at": row.finished_at,
        "model": _model(row),
        "input": _input(row),
        "output": _output(row),
        "batch": _batch(row),
        "worker": _worker(row),
    }


def _model(row: _LineageRow) -> View:
    return {
        "name": row.model,
        "version": row.version,
        "loader": row.loader,
        "sha256": row.artifact_sha256,
        "source": row.artifact_source,
        "origin": row.origin,
    }


def _input(row: _LineageRow) -> View | None:
    if row.input is None:
        return None
    return {
        "sha256": _digest(row, row.input, row.input_encoding, Column.INPUT),
        "parameters_sha256": _digest(row, row.parameters, row.input_encoding, Column.PARAMETERS),
    }


def _output(row: _LineageRow) -> View | None:
    if row.output_epoch is None:
        return None
    return {
        "epoch": row.output_epoch,
        "sha256": _digest(row, row.output, row.output_encoding, Column.RESULT),
        "cached_from": row.source,
    }


def _digest(row: _LineageRow, stored: bytes | None, encoding: str, column: Column) -> str | None:
    """Return a payload's hash: a keyed one of a guarded version, for which the payload itself was read."""
    if stored is None:
        return None
    if not _is_guarded(row):
        return bytes(stored).hex()
    return vault.digest("lineage", load_plain(stored, encoding, row.seal, column)).hex()


def _batch(row: _LineageRow) -> View | None:
    if row.batch is None:
        return None
    return {
        "id": row.batch,
        "size": row.batch_size,
        "seal_reason": row.seal_reason,
        "claimed_at": row.claimed_at,
        "ran_s": row.ran_s,
        "finished_at": row.batch_finished_at,
    }


def _worker(row: _LineageRow) -> Any:
    return None if row.worker is None else {"id": row.worker, "node": row.node, "device": row.device}
