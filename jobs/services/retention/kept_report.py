"""What is kept and how old it is; and where a job, or what is left of it, still stands.

The columns are those of the database's own catalogue, so that a table that is made later is looked at too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, cast
from uuid import UUID

from django.conf import settings
from django.db import connection
from psycopg import sql

from jobs.core.payloads.pointer import MARK, names_of
from jobs.core.retention.kept_data import KEPT, Kept
from jobs.db.statement import Statement, fetch_all
from jobs.payloads.object_store import exists

TOMBSTONE = "jobs_job"


class _Column(NamedTuple):
    relation: str
    name: str
    kind: str


# Partitions are read through their table.
_COLUMNS = Statement(
    """
SELECT c.relname AS relation, a.attname AS name, t.typname AS kind
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_type t ON t.oid = a.atttypid
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND a.attnum > 0 AND NOT a.attisdropped AND t.typname IN ('uuid', '_uuid', 'jsonb')
ORDER BY 1, 2
""",
    _Column,
)
_SIZES = Statement(
    """
SELECT COALESCE(sum(GREATEST(leaf.reltuples, 0)), 0)::bigint FROM pg_class root
JOIN LATERAL (SELECT relid FROM pg_partition_tree(root.oid)
  UNION SELECT root.oid) AS tree ON true
JOIN pg_class leaf ON leaf.oid = tree.relid AND leaf.relkind = 'r'
WHERE root.relnamespace = current_schema()::regnamespace AND root.relname = ANY(%(tables)s)
""",
    int,
)
_POINTERS = Statement(
    """
SELECT substr(body, 1, 32768) FROM jobs_jobinput WHERE job_id = %(job)s
UNION ALL SELECT substr(body, 1, 32768) FROM jobs_jobresult WHERE job_id = %(job)s
UNION ALL SELECT substr(body, 1, 32768) FROM jobs_step WHERE job_id = %(job)s AND body IS NOT NULL
""",
    bytes,
)
_UNWANTED = Statement("SELECT name FROM jobs_unwantedobject WHERE %(job)s = ANY(erased_jobs)", str)
_ERASED = Statement("SELECT erased_at FROM jobs_job WHERE id = %(job)s", datetime)
# How a column of each type may name a job.
_FINDS = {
    "uuid": "{column} = {job}",
    "_uuid": "{job} = ANY({column})",
    "jsonb": "position({job}::text IN {column}::text) > 0",
}
# Lists of ids, and columns that name a job beside the one whose content their row holds.
_IDS_ONLY = {
    ("jobs_batch", "members"),
    ("jobs_canaryreplay", "canary"),
    ("jobs_canaryreplay", "jobs"),
    ("jobs_erasure", "last_job"),
    ("jobs_event", "detail"),
    ("jobs_event", "job_id"),
    ("jobs_follower", "leader"),
    ("jobs_jobresult", "source"),
    ("jobs_unwantedobject", "erased_jobs"),
}


@dataclass(frozen=True, slots=True)
class KeptRow:
    """One kind of data: how long it is kept, about how many rows there are, and when the oldest was made."""

    kept: Kept
    days: int | None
    rows: int
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class Trace:
    """Rows of a table that name a job; `content` where that table may hold what a client sent."""

    table: str
    column: str
    rows: int
    content: bool


@dataclass(frozen=True, slots=True)
class Traces:
    """Everything that names a job: rows, and stored objects. An erased job leaves ids only."""

    rows: list[Trace]
    objects: list[str]
    erased_at: datetime | None

    @property
    def is_absent(self) -> bool:
        """Return whether nothing of the job's content is left."""
        return not self.objects and not any(trace.content for trace in self.rows)


def kept_rows() -> list[KeptRow]:
    """Return what is kept, in the order of its documentation; the counts are the planner's estimates."""
    return [_kept(kept) for kept in KEPT]


def traces_of(job: UUID) -> Traces:
    """Look for a job in every table, and for its objects; each table is read as a whole."""
    erased = next(iter(fetch_all(_ERASED, {"job": job})), None)
    rows = [trace for column in fetch_all(_COLUMNS) if (trace := _trace(column, job, erased))]
    names = {name for body in fetch_all(_POINTERS, {"job": job}) for name in _names(body)}
    names.update(fetch_all(_UNWANTED, {"job": job}))
    return Traces(rows, sorted(name for name in names if exists(name)), erased)


def _kept(kept: Kept) -> KeptRow:
    days: int | None = getattr(settings.INFERENCE, kept.setting.lower()) if kept.setting else None
    (rows,) = fetch_all(_SIZES, {"tables": list(kept.tables)})
    return KeptRow(kept, days, rows, _oldest(kept))


def _oldest(kept: Kept) -> datetime | None:
    if not kept.oldest:
        return None
    query = sql.SQL("SELECT min({column}) FROM {table}").format(
        column=sql.Identifier(kept.oldest), table=sql.Identifier(kept.tables[0])
    )
    return cast("datetime | None", _value(query))


def _trace(column: _Column, job: UUID, erased: datetime | None) -> Trace | None:
    condition = sql.SQL(cast(Any, _FINDS[column.kind])).format(
        column=sql.Identifier(column.name), job=sql.Literal(job)
    )
    query = sql.SQL("SELECT count(*) FROM {table} WHERE {condition}").format(
        table=sql.Identifier(column.relation), condition=condition
    )
    rows = int(_value(query))
    return Trace(column.relation, column.name, rows, _has_content(column, erased)) if rows else None


def _has_content(column: _Column, erased: datetime | None) -> bool:
    """Return whether the row may hold content of the job that it names; of a table unknown here, it may."""
    if column.relation == TOMBSTONE:
        return erased is None
    return (column.relation, column.name) not in _IDS_ONLY


def _names(body: bytes) -> Iterator[str]:
    if body[: len(MARK)] == MARK:
        yield from names_of(body)


def _value(query: sql.Composable) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(query.as_string(cursor.connection), None)
        return cursor.fetchone()[0]
