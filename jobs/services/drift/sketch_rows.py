"""The rows of sketches: written by workers, read and merged by all others."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa

from jobs.core.drift.field_names import SIZE
from jobs.db.statement import Statement, fetch_all, run
from jobs.services.drift.field_sketch import FieldSketch, own_distances
from jobs.services.drift.missing_values import hours_with_missing

log = logging.getLogger(__name__)


class SketchRow(NamedTuple):
    """What a worker sampled of a field in an hour, as a whole."""

    version: int
    hour: datetime
    field: str
    n: int
    missing: int
    body: bytes


# A version that was deleted meanwhile has no row, and must not keep the others from being stored.
_WRITE: Statement[None] = Statement("""
INSERT INTO jobs_driftsketch (version_id, hour, worker, field, n, missing, body)
SELECT version.id, row.hour, %(worker)b::uuid, row.field, row.n, row.missing, row.body
FROM unnest(%(versions)b::bigint[], %(hours)b::timestamptz[], %(fields)b::text[], %(ns)b::bigint[],
  %(missing)b::bigint[], %(bodies)b::bytea[]) AS row(version, hour, field, n, missing, body)
JOIN models_registry_modelversion version ON version.id = row.version
ORDER BY version.id, row.hour, row.field
ON CONFLICT (version_id, hour, field, worker)
DO UPDATE SET n = excluded.n, missing = excluded.missing, body = excluded.body, at = now()
""")


class StoredSketch(NamedTuple):
    """A stored sketch of one worker."""

    hour: datetime
    field: str
    missing: int
    body: bytes


_READ = Statement(
    """
SELECT hour, field, missing, body FROM jobs_driftsketch
WHERE version_id = %(version)s AND hour >= %(since)s AND hour < %(until)s ORDER BY hour, field, worker
""",
    StoredSketch,
)


class SampledHour(NamedTuple):
    """How many jobs of a version were sampled in an hour."""

    hour: datetime
    jobs: int


_HOURS = Statement(
    """
SELECT hour, sum(n)::bigint AS jobs FROM jobs_driftsketch
WHERE version_id = %(version)s AND field = %(size)s AND hour >= %(since)s AND hour < %(until)s
GROUP BY hour ORDER BY hour
""",
    SampledHour,
)


def write_sketches(connection: sa.Connection, worker: UUID, rows: Sequence[SketchRow]) -> None:
    """Store a worker's sketches in place of those that it stored of the same hours."""
    columns = list(zip(*rows, strict=True)) if rows else []
    if columns:
        names = ("versions", "hours", "fields", "ns", "missing", "bodies")
        given = {name: list(column) for name, column in zip(names, columns, strict=True)}
        run(connection, _WRITE, {"worker": worker, **given})


def sampled_hours(version: int, *, since: datetime, until: datetime) -> list[SampledHour]:
    """Return the hours in which jobs of the version were sampled, oldest first."""
    return fetch_all(_HOURS, {"version": version, "size": SIZE, "since": since, "until": until})


def read_sketches(
    version: int, *, since: datetime, until: datetime
) -> dict[datetime, dict[str, FieldSketch]]:
    """Return the merged sketches of a version by hour and field; one that cannot be read is left out."""
    hours = dict[datetime, dict[str, FieldSketch]]()
    for row in fetch_all(_READ, {"version": version, "since": since, "until": until}):
        _merge(hours.setdefault(row.hour, {}), row)
    return hours


def merged_hours(hours: Iterable[dict[str, FieldSketch]]) -> dict[str, FieldSketch]:
    """Return the sketches of several hours as those of one, a reference."""
    whole, parts = dict[str, FieldSketch](), hours_with_missing(hours)
    for sketches in parts:
        for field, sketch in sketches.items():
            whole.setdefault(field, FieldSketch(field)).merge(sketch.body(), sketch.missing)
    own_distances(whole, parts)
    return whole


def _merge(fields: dict[str, FieldSketch], row: StoredSketch) -> None:
    try:
        fields.setdefault(row.field, FieldSketch(row.field)).merge(bytes(row.body), row.missing)
    except ValueError as error:
        log.warning("a stored sketch of %s cannot be read: %s", row.field, error)
