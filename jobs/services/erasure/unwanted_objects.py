"""Delete the objects of erased jobs, unless another job points at them; an upload goes with its object."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import LiteralString, NamedTuple
from uuid import UUID

import sqlalchemy as sa

from jobs.core.errors import PayloadUnavailableError, UnavailableError
from jobs.core.ids import first_id_at
from jobs.db.statement import Statement, execute, fetch_all, run
from jobs.payloads.object_store import delete
from jobs.payloads.sql import IS_POINTER, POINTER

log = logging.getLogger(__name__)
MOST = 500
CLOCK_SKEW = timedelta(days=1)
_FIRST = UUID(int=0)


class _Unwanted(NamedTuple):
    name: str
    client: int
    is_result: bool


_THESE = Statement(
    """
SELECT name, client_id AS client, is_result FROM jobs_unwantedobject WHERE name = ANY(%(names)s::text[])
""",
    _Unwanted,
)
_MARK: Statement[None] = Statement("""
INSERT INTO jobs_unwantedobject (name, client_id, erased_jobs, is_result)
SELECT name, job.client_id, ARRAY[job.id], false
FROM unnest(%(names)s::text[]) AS object(name), jobs_job job WHERE job.id = %(job)s
ON CONFLICT (name) DO NOTHING
""")
_MARK_LATE: Statement[None] = Statement("""
INSERT INTO jobs_unwantedobject (name, client_id, erased_jobs, is_result)
SELECT given.name, job.client_id, ARRAY[job.id], true
FROM unnest(%(jobs)s::uuid[], %(names)s::text[]) AS given(id, name) JOIN jobs_job job USING (id)
ON CONFLICT (name) DO NOTHING
""")
_OLDEST = Statement("SELECT name FROM jobs_unwantedobject ORDER BY since, name LIMIT %(most)s", str)
_POINTERS: LiteralString = " UNION ALL ".join(
    f"SELECT {POINTER.format('stored.body')} AS pointer FROM jobs_job job"  # noqa: S608
    f" JOIN {table} stored ON stored.job_id = job.id"
    f" WHERE job.client_id = %(client)s AND job.id >= %(first)s AND {IS_POINTER.format('stored.body')}"
    for table in ("jobs_jobinput", "jobs_jobresult", "jobs_step")
)
_USED = Statement(
    f"""
WITH pointer AS MATERIALIZED ({_POINTERS}), used AS (
  SELECT pointer->>'name' AS name FROM pointer
  UNION ALL SELECT file->>'name'
    FROM pointer, json_array_elements(COALESCE(pointer->'files', '[]')) AS file
)
SELECT DISTINCT name FROM used WHERE name = ANY(%(names)s::text[])
""",  # noqa: S608  # built from our own constants
    str,
)
_FORGET_UPLOADS: Statement[None] = Statement("DELETE FROM jobs_upload WHERE name = ANY(%(names)s::text[])")
_DONE: Statement[None] = Statement("DELETE FROM jobs_unwantedobject WHERE name = ANY(%(names)s::text[])")


def mark_unwanted(job: UUID, names: Sequence[str]) -> None:
    """Have the objects of a job's old input deleted soon. Requires the transaction that replaces it."""
    if names:
        execute(_MARK, {"job": job, "names": list(names)})


def mark_late_outputs(session: sa.Connection, names: Mapping[UUID, str]) -> None:
    """Have outputs deleted whose verdicts came too late: their jobs were cancelled, and maybe erased, before.

    One that was stored by a settle of which the worker does not know is pointed at, and stays.
    """
    if names:
        run(session, _MARK_LATE, {"jobs": list(names), "names": list(names.values())})


def delete_objects(names: Sequence[str]) -> int:
    """Delete these objects of erased jobs as far as that is possible now; return how many went.

    What cannot be deleted now stays noted, and `delete_unwanted` tries it again.
    """
    deleted = 0
    for (client, first), group in _groups(fetch_all(_THESE, {"names": list(names)})).items():
        try:
            deleted += _delete(client, first, group)
        except (PayloadUnavailableError, UnavailableError) as error:
            log.warning("%d objects of erased jobs are deleted later: %s", len(group), error)
    return deleted


def delete_unwanted(*, most: int = MOST) -> int:
    """Delete up to `most` objects that earlier erasures left; return how many went."""
    return delete_objects(fetch_all(_OLDEST, {"most": most}))


def _delete(client: int, first: UUID, names: Sequence[str]) -> int:
    used = set(fetch_all(_USED, {"client": client, "first": first, "names": list(names)}))
    unused = [name for name in names if name not in used]
    fetch_all(_FORGET_UPLOADS, {"names": unused})  # first: no new job may refer to it
    for name in unused:
        delete(name)
    fetch_all(_DONE, {"names": list(names)})
    return len(unused)


def _groups(rows: Iterable[_Unwanted]) -> dict[tuple[int, UUID], list[str]]:
    """Return the names by client, and by the first job that may point at them."""
    groups = defaultdict[tuple[int, UUID], list[str]](list)
    for row in rows:
        groups[row.client, _FIRST if row.is_result else _first_job(row.name)].append(row.name)
    return groups


def _first_job(name: str) -> UUID:
    """Return the smallest id that a job with this file can have; an object's name begins with its day."""
    try:
        day = datetime.strptime(name[:10], "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return _FIRST
    return first_id_at(max(0, int((day - CLOCK_SKEW).timestamp() * 1_000)))
