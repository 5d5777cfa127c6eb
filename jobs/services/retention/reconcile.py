"""Compare stored payloads with the rows that need them, both ways: after a restore, or when a disk was lost.

Rows are read before the objects are listed. An object is stored before its row, so one that was there before
`older_than_h` hours and has no row is an orphan. What is missing is looked for once more, because a job may
have been erased meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import LiteralString, NamedTuple
from uuid import UUID

import sqlalchemy as sa

from jobs.db import database_clock
from jobs.db.session import open_session
from jobs.db.session_settings import Use
from jobs.db.statement import Statement, run
from jobs.payloads.object_store import dated_names, delete, exists
from jobs.payloads.sql import IS_POINTER, POINTER

CHUNK = 1_000
_BODIES: LiteralString = " UNION ALL ".join(
    f"SELECT job_id, '{kind}' AS kind, {POINTER.format('body')} AS pointer FROM {table}"  # noqa: S608
    f" WHERE {IS_POINTER.format('body')}"
    for table, kind in (("jobs_jobinput", "input"), ("jobs_jobresult", "result"), ("jobs_step", "result"))
)
_NEEDED: LiteralString = f"""
WITH pointer AS MATERIALIZED ({_BODIES})
SELECT pointer->>'name' AS name, kind, job_id AS row FROM pointer WHERE pointer->>'name' <> ''
UNION ALL SELECT file->>'name', 'file', job_id
  FROM pointer, json_array_elements(COALESCE(pointer->'files', '[]')) AS file
UNION ALL SELECT name, 'upload', id FROM jobs_upload
"""  # noqa: S608  # built from our own constants
_COLLECT: Statement[None] = Statement(f"CREATE TEMPORARY TABLE payload_needed AS {_NEEDED}")
_INDEX: Statement[None] = Statement("CREATE INDEX ON payload_needed (name)")
_LISTING: Statement[None] = Statement("CREATE TEMPORARY TABLE payload_stored (name text PRIMARY KEY)")
_LIST: Statement[None] = Statement("INSERT INTO payload_stored SELECT unnest(%(names)s::text[])")


class _Unneeded(NamedTuple):
    name: str
    unwanted: bool


_UNNEEDED: Statement[_Unneeded] = Statement(
    """
SELECT name, EXISTS (SELECT FROM jobs_unwantedobject unwanted WHERE unwanted.name = old.name) AS unwanted
FROM unnest(%(names)s::text[]) AS old(name)
WHERE NOT EXISTS (SELECT FROM payload_needed needed WHERE needed.name = old.name)
ORDER BY name
""",
    _Unneeded,
)


class MissingPayload(NamedTuple):
    """A row whose object is gone: `kind` is input, result, file or upload, `row` the id of job or upload."""

    name: str
    kind: str
    row: UUID


_MISSING: Statement[MissingPayload] = Statement(
    """
SELECT DISTINCT name, kind, row FROM payload_needed needed
WHERE NOT EXISTS (SELECT FROM payload_stored stored WHERE stored.name = needed.name) ORDER BY name, kind, row
""",
    MissingPayload,
)
_STILL_NEEDED = Statement(
    f"SELECT DISTINCT name FROM ({_NEEDED}) AS needed WHERE name = ANY(%(names)s::text[])",  # noqa: S608
    str,
)


@dataclass(slots=True)
class PayloadCheck:
    """How many objects there are; those without a row, by age; those about to go; rows without an object."""

    objects: int = 0
    orphans: list[str] = field(default_factory=list)
    young: int = 0
    awaiting_deletion: int = 0
    missing: list[MissingPayload] = field(default_factory=list)


def check_payloads(*, older_than_h: float) -> PayloadCheck:
    """Compare objects and rows; PayloadUnavailableError if the storage fails."""
    now = database_clock.read_now()
    check = PayloadCheck()
    with closing(open_session(Use.WHOLE)) as session:
        for statement in (_COLLECT, _INDEX, _LISTING):
            run(session, statement)
        # Hosts' clocks may be ahead of the database's.
        for chunk in _chunks(dated_names(now + timedelta(days=1))):
            _compare(session, check, chunk, until=now - timedelta(hours=older_than_h))
        check.missing = _missing(session)
    return check


def delete_orphans(names: Sequence[str]) -> int:
    """Delete those objects, which a check has named as orphans, that still no row needs; return how many.

    A check of many objects takes hours, and a worker that could not settle may come back meanwhile.
    """
    with closing(open_session(Use.WHOLE)) as session:
        needed = {*run(session, _STILL_NEEDED, {"names": list(names)})}
    unneeded = [name for name in names if name not in needed]
    for name in unneeded:
        delete(name)
    return len(unneeded)


def _compare(
    session: sa.Connection, check: PayloadCheck, chunk: Sequence[tuple[str, datetime]], *, until: datetime
) -> None:
    made_at = dict(chunk)
    names = list(made_at)
    run(session, _LIST, {"names": names})
    check.objects += len(names)
    for unneeded in run(session, _UNNEEDED, {"names": names}):
        if unneeded.unwanted:
            check.awaiting_deletion += 1
        elif made_at[unneeded.name] < until:
            check.orphans.append(unneeded.name)
        else:
            check.young += 1


def _missing(session: sa.Connection) -> list[MissingPayload]:
    gone = [missing for missing in run(session, _MISSING) if not exists(missing.name)]
    if not gone:
        return []
    needed = {*run(session, _STILL_NEEDED, {"names": [missing.name for missing in gone]})}
    return [missing for missing in gone if missing.name in needed]


def _chunks(pairs: Iterator[tuple[str, datetime]]) -> Iterator[Sequence[tuple[str, datetime]]]:
    while chunk := list(islice(pairs, CHUNK)):
        yield chunk
