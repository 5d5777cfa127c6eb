"""Where a result comes from: which build of which model, which input, batch and device."""

from __future__ import annotations

from typing import Any, LiteralString
from uuid import UUID

from jobs.core.payloads.keyring import Column, Place
from jobs.db.positional import Row, fetch_all
from jobs.payloads import vault
from jobs.payloads.claim_check import load_plain
from jobs.payloads.sql import IS_POINTER, POINTER
from jobs.services.reads.job_views import OWN, View
from models_registry.selectors import info

MOST_EVENTS = 100
# Of what is stored elsewhere the row itself knows the SHA-256; no byte of the object is read for it.
_SHA256: LiteralString = f"""
CASE WHEN {IS_POINTER} THEN decode({POINTER}->>'sha256', 'hex') ELSE sha256({{0}}) END
"""
_ONE: LiteralString = f"""
SELECT j.id, j.state, j.epoch, j.attempts, j.created_at, j.started_at, j.finished_at,
  j.queue, v.version, v.loader, NULLIF(v.sha256, ''),
  CASE WHEN %(whole)s THEN i.body ELSE {_SHA256.format("i.body")} END,
  CASE WHEN %(whole)s THEN i.parameters ELSE sha256(i.parameters) END,
  r.epoch, CASE WHEN %(whole)s THEN r.body ELSE {_SHA256.format("r.body")} END, r.source,
  b.id, b.size, b.seal_reason, b.claimed_at, b.ran_s, b.finished_at,
  w.id, w.node, w.device, j.version_id, i.encoding, r.encoding
FROM jobs_job j JOIN models_registry_modelversion v ON v.id = j.version_id
LEFT JOIN LATERAL (SELECT * FROM jobs_jobinput WHERE job_id = %(id)s LIMIT 1) i ON true
LEFT JOIN LATERAL (SELECT * FROM jobs_jobresult WHERE job_id = %(id)s LIMIT 1) r ON j.state = 'succeeded'
LEFT JOIN jobs_batch b ON b.id = j.batch_id
LEFT JOIN jobs_worker w ON w.id = b.worker_id
WHERE j.id = %(id)s AND {OWN}
"""  # noqa: S608  # built from our own constants
# Sorted by time, not id: the primary key would be walked past everybody else's events.
_EVENTS: LiteralString = """
SELECT e.at, e.kind, e.epoch, e.detail->>'kind', e.detail->>'code', b.id, w.node, w.device
FROM (SELECT * FROM jobs_event WHERE job_id = %s ORDER BY at DESC, id DESC LIMIT %s) e
LEFT JOIN jobs_batch b ON b.id = CAST(e.detail->>'batch' AS uuid)
LEFT JOIN jobs_worker w ON w.id = b.worker_id ORDER BY e.at, e.id
"""
_JOB = ("id", "state", "epoch", "attempts", "created_at", "started_at", "finished_at")
_MODEL = ("name", "version", "loader", "sha256")
_INPUT = ("sha256", "parameters_sha256")
_OUTPUT = ("epoch", "sha256", "cached_from")
_BATCH = ("id", "size", "seal_reason", "claimed_at", "ran_s", "finished_at")
_WORKER = ("id", "node", "device")
VERSION_AT = 25
HASHED = (11, 12, 14)
RESULT_AT = 14
_EVENT = ("at", "what", "epoch", "kind", "code", "batch", "worker", "device")


def lineage(job_id: UUID, *, client_id: int | None) -> View | None:
    """Return the lineage of a job (of `client_id`, if given), its newest events last; None without a job."""
    asked = {"id": job_id, "client": client_id, "whole": False}
    rows = fetch_all(_ONE, asked)
    if rows and (guarded := info(rows[0][VERSION_AT]).secrecy.guarded):
        rows = fetch_all(_ONE, asked | {"whole": guarded})
    if not rows:
        return None
    events = fetch_all(_EVENTS, (job_id, MOST_EVENTS))
    return _view(_hashed(rows[0])) | {"history": [dict(zip(_EVENT, event, strict=True)) for event in events]}


def _hashed(row: Row) -> Row:
    """Return the row with hashes: keyed ones of a guarded version, whose payloads were read for them."""
    *told, version, asked_as, told_as = row
    places = {
        "sha256": (job := told[0], asked_as, Column.INPUT),
        "parameters_sha256": (job, asked_as, Column.PARAMETERS),
        "result": (told[RESULT_AT + 1] or job, told_as, Column.RESULT),
    }
    guarded = info(version).secrecy.guarded
    for at, (run, encoding, column) in zip(HASHED, places.values(), strict=True):
        if told[at] is not None:
            plain = load_plain(told[at], encoding, Place(run, column)) if guarded else told[at]
            told[at] = (vault.digest("lineage", plain) if guarded else bytes(plain)).hex()
    return tuple(told)


def _view(row: Row) -> View:
    left = iter(row)
    parts = {"model": _MODEL, "input": _INPUT, "output": _OUTPUT, "batch": _BATCH, "worker": _WORKER}
    view = _taken(left, _JOB)
    for name, names in parts.items():
        part = _taken(left, names)
        view[name] = part if part[names[0]] is not None else None  # the row may be gone, or never was
    return view


def _taken(values: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: next(values) for name in names}
