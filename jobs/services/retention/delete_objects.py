"""Delete objects that no row points at: those of calls that failed, and of jobs that were deleted.

Copies of a row share its object, so no object is deleted with one row. All rows are read once, once a day: an
index over their pointers would cost every small job.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from itertools import islice
from typing import LiteralString

import sqlalchemy as sa

from jobs.core.retention.partition_sql import TABLES
from jobs.db import database_clock
from jobs.db.session import open_session
from jobs.db.session_settings import Use
from jobs.db.statement import Statement, run
from jobs.payloads.object_store import delete, names_before
from jobs.payloads.sql import IS_POINTER, POINTER

GRACE_H = 24  # an object is stored before its row: a call may take so long, and a clock may be wrong
CHUNK = 1_000
_FORGET_UPLOADS: Statement[None] = Statement(
    "DELETE FROM jobs_upload WHERE expires_at < now() - make_interval(hours => %(grace_h)s)"
)
_POINTERS: LiteralString = " UNION ALL ".join(
    f"SELECT {POINTER.format('body')} AS pointer FROM {table} WHERE {IS_POINTER.format('body')}"  # noqa: S608
    for table in (*TABLES, "jobs_step")
)
_COLLECT_USED: Statement[None] = Statement(f"""
CREATE TEMPORARY TABLE payload_in_use AS
WITH pointer AS MATERIALIZED ({_POINTERS})
SELECT pointer->>'name' AS name FROM pointer
UNION ALL SELECT file->>'name' FROM pointer, json_array_elements(pointer->'files') AS file
UNION ALL SELECT name FROM jobs_upload
""")  # noqa: S608
_INDEX: Statement[None] = Statement("CREATE INDEX ON payload_in_use (name)")
_UNUSED = Statement(
    """
SELECT name FROM unnest(%(names)s::text[]) AS old(name)
WHERE NOT EXISTS (SELECT FROM payload_in_use used WHERE used.name = old.name)
""",
    str,
)


def forget_payloads(*, grace_h: int = GRACE_H) -> int:
    """Delete objects that are older than the grace and that nothing points at; return how many there were."""
    until = database_clock.read_now() - timedelta(hours=grace_h)
    # The list is a table of a session, so the session is our own: through a pooler another statement could
    # meet the list of an earlier run, on which newer objects lack. No transaction stays open while objects
    # are deleted: it would hold every partition, and no old day could be dropped.
    with closing(open_session(Use.WHOLE)) as session:
        run(session, _FORGET_UPLOADS, {"grace_h": grace_h})
        run(session, _COLLECT_USED)
        run(session, _INDEX)
        return sum(_forget(session, names) for names in _chunks(names_before(until)))


def _forget(session: sa.Connection, names: Sequence[str]) -> int:
    unused = run(session, _UNUSED, {"names": list(names)})
    for name in unused:
        delete(name)
    return len(unused)


def _chunks(names: Iterator[str]) -> Iterator[Sequence[str]]:
    while chunk := list(islice(names, CHUNK)):
        yield chunk
