"""Stored jobs of an alias as a rule sees them, newest first, a chunk at a time.

An input in clear is hashed by the database and never fetched; a sealed one is opened, and leaves only its
hash. Which alias a job named stands in its route. Of one without a route only the version is known: it named
the alias, or that version itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from jobs.core.canonical_json import digest
from jobs.core.errors import PayloadUnreadableError
from jobs.core.payloads.job_keys import JobIdentity
from jobs.core.payloads.keyring import PLAIN
from jobs.core.payloads.pointer import MARK, is_pointer, sha256_of
from jobs.core.submission.routed_job import key_of
from jobs.core.submission.sticky_value import JOB
from jobs.db.statement import Statement, fetch_all
from jobs.payloads.job_seal import JobSeal
from jobs.payloads.row_sealing import unsealed_input
from jobs.services.rollouts.asks import AskedJob, Asker
from models_registry.core.refs import DEFAULT_ALIAS
from models_registry.models import Alias, Promotion

MOST_SCANNED = 200_000  # newest jobs of all models, among which those of an alias are looked for
_SCANNED, _READ = 5_000, 500
_NEWEST = UUID(int=2**128 - 1)


class _ScannedJob(NamedTuple):
    id: UUID
    is_of_alias: bool


_SCAN = Statement(
    """
SELECT job.id, job.queue = %(model)s AND CASE WHEN route.job_id IS NULL
    THEN job.version_id = ANY(%(versions)b::bigint[]) ELSE route.asked = ANY(%(asked)b::text[]) END
  AS is_of_alias
FROM (SELECT * FROM jobs_job WHERE id < %(before)s ORDER BY id DESC LIMIT %(most)s) job
LEFT JOIN jobs_route route ON route.job_id = job.id ORDER BY job.id DESC
""",
    _ScannedJob,
)


_NEWEST_IDS = Statement("SELECT id FROM jobs_job ORDER BY id DESC LIMIT %(most)s", UUID)


class _PreviewedRow(NamedTuple):
    id: UUID
    client: int
    name: str
    model: int
    priority: int
    own_key: int | None
    route_key: int | None
    is_kept: bool
    body_sha256: bytes | None
    body: bytes | None
    parameters: bytes | None
    metadata: bytes | None
    encoding: str | None
    wrapped: bytes | None


_READ_ROWS = Statement(
    """
SELECT job.id, job.client_id AS client, client.name, version.model_id AS model, job.priority,
  CASE WHEN rule.document ->> 'sticky' = %(by_job)s THEN route.key END AS own_key,
  route.key AS route_key,
  input.job_id IS NOT NULL AS is_kept,
  CASE WHEN input.clear THEN sha256(input.body) END AS body_sha256,
  CASE WHEN NOT input.clear THEN input.body END AS body,
  input.parameters, input.metadata, input.encoding, key.wrapped
FROM jobs_job job
JOIN jobs_client client ON client.id = job.client_id
JOIN models_registry_modelversion version ON version.id = job.version_id
LEFT JOIN jobs_route route ON route.job_id = job.id
LEFT JOIN models_registry_rule rule ON rule.id = route.rule
LEFT JOIN LATERAL (
  SELECT *, encoding = %(plain)s AND substr(body, 1, length(%(mark)s::bytea)) <> %(mark)s::bytea AS clear
  FROM jobs_jobinput WHERE job_id = job.id LIMIT 1
) input ON true
LEFT JOIN jobs_jobkey key ON key.job_id = job.id
WHERE job.id = ANY(%(jobs)b::uuid[]) ORDER BY job.id DESC
""",
    _PreviewedRow,
)


@dataclass(frozen=True, slots=True)
class StoredAsk:
    """A stored job; `asked` is None where its input is gone or cannot be read.

    `key` is that of its route where it was drawn by itself, because nothing else of the job tells;
    `route_key` is that of its route, where it has one.
    """

    id: UUID
    asked: AskedJob | None
    key: bytes | None
    route_key: bytes | None


def stored_asks(model: str, alias: str, *, most: int) -> Iterator[StoredAsk]:
    """Yield up to `most` of the newest jobs of an alias, among MOST_SCANNED jobs of all models."""
    yield from _asks_of(_ids(model, alias, most=most))


def newest_asks(*, most: int) -> Iterator[StoredAsk]:
    """Yield up to `most` of the newest jobs of all models."""
    yield from _asks_of(iter(fetch_all(_NEWEST_IDS, {"most": most})))


def _asks_of(ids: Iterator[UUID]) -> Iterator[StoredAsk]:
    while chunk := list(islice(ids, _READ)):
        values = {"jobs": chunk, "by_job": JOB, "plain": PLAIN, "mark": MARK}
        yield from (_ask(row) for row in fetch_all(_READ_ROWS, values))


def _ids(model: str, alias: str, *, most: int) -> Iterator[UUID]:
    asked = [f"{model}@{alias}", *([model] if alias == DEFAULT_ALIAS else [])]
    values: dict[str, Any] = {"model": model, "versions": _stood_for(model, alias), "asked": asked}
    before, found = _NEWEST, 0
    for _ in range(MOST_SCANNED // _SCANNED):
        rows = fetch_all(_SCAN, values | {"before": before, "most": _SCANNED})
        for row in rows:
            if row.is_of_alias and found < most:
                found += 1
                yield row.id
        if found >= most or len(rows) < _SCANNED:
            return
        before = rows[-1].id


def _stood_for(model: str, alias: str) -> list[int]:
    """Return the versions, by row id, that an alias stands for now or stood for before."""
    row = Alias.objects.filter(model__name=model, name=alias)
    moves = Promotion.objects.filter(model=model, alias=alias).values_list("before", "after")
    names = {name for pair in moves for name in pair}
    past = row.filter(model__versions__version__in=names).values_list("model__versions", flat=True)
    return [*row.values_list("version", flat=True), *past]


def _ask(row: _PreviewedRow) -> StoredAsk:
    keys = [None if key is None else key_of(key) for key in (row.own_key, row.route_key)]
    if not row.is_kept:
        return StoredAsk(row.id, None, *keys)
    try:
        sha256, parameters, metadata = _opened(row)
    except PayloadUnreadableError:
        return StoredAsk(row.id, None, *keys)
    asked = AskedJob(
        Asker(row.client, row.name),
        row.priority,
        _decoded(metadata),
        _decoded(parameters),
        sha256,
        parameters,
        row.id.bytes,
    )
    return StoredAsk(row.id, asked, *keys)


def _opened(row: _PreviewedRow) -> tuple[bytes, bytes | None, bytes | None]:
    """Return the SHA-256 of an input, and parameters and metadata in clear; PayloadUnreadableError."""
    if row.body_sha256 is not None:
        return row.body_sha256, row.parameters, row.metadata
    stored = {"body": row.body, "parameters": row.parameters, "metadata": row.metadata}
    if row.encoding == PLAIN and row.body is not None and is_pointer(row.body):
        return bytes.fromhex(sha256_of(row.body)), row.parameters, row.metadata
    seal = JobSeal(JobIdentity(row.id, row.client, row.model), row.wrapped, None, encrypts=True)
    clear = unsealed_input(seal, stored, row.encoding or "")
    return digest(clear["body"] or b""), clear["parameters"], clear["metadata"]


def _decoded(body: bytes | None) -> Any:
    return None if body is None else msgspec.json.decode(body)
