"""Find the jobs that match a selection, in the order of their ids, a bounded number of rows a look.

A look walks the smallest table that holds all jobs in question along its key, so that it costs the same
however many jobs there are and however few match.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

import msgspec

from jobs.core.acting.bulk_verbs import BulkVerb
from jobs.core.acting.job_selection import JobSelection
from jobs.core.ids import first_id_at
from jobs.core.states import State
from jobs.db.statement import Statement, fetch_all

LOOKED_AT = 5_000
MOST_LOOKS = 40  # of a preview
FIRST_ID = UUID(int=0)
LIVE = frozenset({State.QUEUED, State.WAITING, State.RUNNING})

_OUTBOX: LiteralString = """
SELECT job_id AS id FROM jobs_outbox WHERE job_id > %(after)s AND job_id < %(end)s
ORDER BY job_id LIMIT %(looked_at)s
"""
# Jobs that follow an identical one have no row in the outbox, and running ones stand in an open batch.
_OF_LIVE: LiteralString = f"""
({_OUTBOX}) UNION (
  SELECT job_id FROM jobs_follower WHERE job_id > %(after)s AND job_id < %(end)s
  ORDER BY job_id LIMIT %(looked_at)s
) UNION (
  SELECT member FROM jobs_batch CROSS JOIN LATERAL unnest(members) AS member
  WHERE finished_at IS NULL AND member > %(after)s AND member < %(end)s ORDER BY member LIMIT %(looked_at)s
) ORDER BY id LIMIT %(looked_at)s
"""  # noqa: S608  # built from constants of this file
_OF_DEAD: LiteralString = """
SELECT job_id AS id FROM jobs_deadletter
WHERE discarded_at IS NULL AND job_id > %(after)s AND job_id < %(end)s ORDER BY job_id LIMIT %(looked_at)s
"""
_OF_ENDED: LiteralString = """
SELECT id FROM jobs_job WHERE id > %(after)s AND id < %(end)s ORDER BY id LIMIT %(looked_at)s
"""
# The client is an array and leads the order, so that no plan walks past the jobs of all other clients.
_OF_CLIENT: LiteralString = """
SELECT id FROM jobs_job
WHERE client_id = ANY(ARRAY[%(client)s]::bigint[]) AND id > %(after)s AND id < %(end)s
ORDER BY client_id, id LIMIT %(looked_at)s
"""
_OF_LABEL: LiteralString = """
SELECT job_id AS id FROM jobs_joblabel
WHERE queue = %(model)s AND field = %(field)s AND value = %(value)s
  AND job_id > %(after)s AND job_id < %(end)s
ORDER BY job_id LIMIT %(looked_at)s
"""


class Look(NamedTuple):
    """What a look found: the rows that it read, the last of them, and the jobs that match, in order."""

    looked: int
    last: UUID | None
    jobs: list[UUID]


def _look(source: LiteralString) -> Statement[Look]:
    return Statement(
        f"""
WITH looked AS MATERIALIZED ({source}), matched AS (
  SELECT job.id FROM looked JOIN jobs_job job USING (id)
  WHERE job.state = ANY(%(states)s::text[]) AND job.erased_at IS NULL
    AND (%(model)s::text IS NULL OR job.queue = %(model)s)
    AND (%(version)s::bigint IS NULL OR job.version_id = %(version)s)
    AND (%(client)s::bigint IS NULL OR job.client_id = %(client)s)
    AND (%(priority)s::int IS NULL OR job.priority = %(priority)s)
    AND (%(kind)s::text IS NULL OR job.state = %(dead)s OR job.error_kind = %(kind)s)
    AND (%(code)s::text IS NULL OR job.state = %(dead)s OR job.error_code = %(code)s)
    AND (%(field)s::text IS NULL OR EXISTS (
      SELECT FROM jobs_joblabel label
      WHERE label.job_id = job.id AND label.field = %(field)s AND label.value = %(value)s))
    AND (job.state <> %(dead)s OR EXISTS (
      SELECT FROM jobs_deadletter letter WHERE letter.job_id = job.id AND letter.discarded_at IS NULL
        AND (%(kind)s::text IS NULL OR letter.kind = %(kind)s)
        AND (%(code)s::text IS NULL OR letter.code = %(code)s)
        AND (%(fingerprint)s::text IS NULL OR letter.fingerprint = %(fingerprint)s)
        AND (%(died_since)s::timestamptz IS NULL OR letter.created_at >= %(died_since)s)
        AND letter.created_at <= %(died_until)s))
  ORDER BY job.id LIMIT %(most)s
)
SELECT (SELECT count(*) FROM looked)::int AS looked,
  (SELECT id FROM looked ORDER BY id DESC LIMIT 1) AS last, ARRAY(SELECT id FROM matched ORDER BY id) AS jobs
""",  # noqa: S608  # built from constants of this file
        Look,
    )


OF_LIVE, OF_DEAD, OF_ENDED, OF_LABEL, OF_CLIENT = map(
    _look, (_OF_LIVE, _OF_DEAD, _OF_ENDED, _OF_LABEL, _OF_CLIENT)
)


def look(
    selection: JobSelection, verb: BulkVerb, *, after: UUID, started_at: datetime, most: int
) -> tuple[list[UUID], UUID | None]:
    """Return up to `most` jobs beyond `after` that match, and from where to go on; None at the end.

    Jobs that were made, or died, after `started_at` are not among them.
    """
    states = selection.states_for(verb)
    values = _values(selection, after, started_at) | {"states": states, "most": most}
    (seen,) = fetch_all(_statement(selection, states), values)
    if len(seen.jobs) == most:
        return seen.jobs, seen.jobs[-1]
    return seen.jobs, seen.last if seen.looked == LOOKED_AT else None


def count_matching(selection: JobSelection, verb: BulkVerb, *, started_at: datetime) -> tuple[int, bool]:
    """Return how many jobs match now, and whether more may: only LOOKED_AT * MOST_LOOKS rows are read."""
    after = _first(selection)
    total = 0
    for _ in range(MOST_LOOKS):
        jobs, upto = look(selection, verb, after=after, started_at=started_at, most=LOOKED_AT + 1)
        total += len(jobs)
        if upto is None:
            return total, False
        after = upto
    return total, True


def _statement(selection: JobSelection, states: list[State]) -> Statement[Look]:
    if selection.field is not None:
        return OF_LABEL
    if set(states) <= LIVE:
        return OF_LIVE
    if states == [State.DEAD]:
        return OF_DEAD
    return OF_ENDED if selection.client is None else OF_CLIENT


def _values(selection: JobSelection, after: UUID, started_at: datetime) -> dict[str, Any]:
    values: dict[str, Any] = msgspec.structs.asdict(selection)
    until = min(selection.until or started_at, started_at)
    return values | {
        "after": max(after, _first(selection)),
        "end": first_id_at(int(until.timestamp() * 1_000) + 1),
        "died_until": min(selection.died_until or started_at, started_at),
        "dead": State.DEAD,
        "looked_at": LOOKED_AT,
    }


def _first(selection: JobSelection) -> UUID:
    """Return an id before all jobs that match."""
    if selection.since is None:
        return FIRST_ID
    return UUID(int=max(0, first_id_at(int(selection.since.timestamp() * 1_000)).int - 1))
