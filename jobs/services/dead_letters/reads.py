"""Reads of dead letters: groups and counts from one index, lists that are bounded, whatever lies there."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from jobs.db.positional import fetch_all

LOOKED_AT = 200_000
GROUPS_SHOWN = 100
FIRST_ID = UUID(int=0)
_MATCHES: LiteralString = """
letter.discarded_at IS NULL
  AND (%(model)s::text IS NULL OR letter.queue = %(model)s)
  AND (%(kind)s::text IS NULL OR letter.kind = %(kind)s)
  AND (%(fingerprint)s::text IS NULL OR letter.fingerprint = %(fingerprint)s)
  AND (%(since)s::timestamptz IS NULL OR letter.created_at >= %(since)s)
  AND (%(until)s::timestamptz IS NULL OR letter.created_at <= %(until)s)
"""
# Apart from the others: with the id in it, groups could not be read from their index alone.
_CHOSEN: LiteralString = f"{_MATCHES} AND (%(jobs)s::uuid[] IS NULL OR letter.job_id = ANY(%(jobs)s))"
# In the order of the index, so that it alone is read.
GROUPS: LiteralString = f"""
SELECT queue, kind, fingerprint, count(*), min(created_at), max(created_at),
  sum(count(*)) OVER ()::bigint, count(*) OVER ()
FROM (
  SELECT queue, kind, fingerprint, created_at FROM jobs_deadletter letter WHERE {_MATCHES}
  ORDER BY queue, kind, fingerprint LIMIT %(looked_at)s
) AS letter
GROUP BY queue, kind, fingerprint ORDER BY count(*) DESC, max(created_at) DESC LIMIT %(most)s
"""  # noqa: S608  # built from our own constants
_COUNT: LiteralString = f"""
SELECT count(*) FROM (
  SELECT FROM jobs_deadletter letter WHERE {_CHOSEN}
  ORDER BY queue, kind, fingerprint LIMIT %(looked_at)s
) AS letter
"""  # noqa: S608
_BY_QUEUE: LiteralString = """
SELECT queue, count(*) FROM (
  SELECT queue FROM jobs_deadletter WHERE discarded_at IS NULL ORDER BY queue LIMIT %s
) AS letter GROUP BY queue
"""
_DUE_BY_QUEUE: LiteralString = """
SELECT queue, count(*) FROM (
  SELECT queue FROM jobs_deadletter WHERE due IS NOT NULL ORDER BY queue LIMIT %s
) AS letter GROUP BY queue
"""
_NEWEST: LiteralString = f"""
SELECT job_id, epoch, queue, kind, code, message, fingerprint, created_at FROM jobs_deadletter letter
WHERE {_CHOSEN} ORDER BY job_id DESC LIMIT %(most)s
"""  # noqa: S608
_IDS: LiteralString = f"""
SELECT job_id FROM jobs_deadletter letter WHERE {_CHOSEN} AND job_id > %(after)s
ORDER BY job_id LIMIT %(most)s
"""  # noqa: S608
_INPUTS: LiteralString = """
SELECT job.id, job.version_id, input.body, job.deadline <= now(), input.encoding
FROM jobs_job job JOIN jobs_jobinput input ON input.job_id = job.id
WHERE job.id = ANY(%s) ORDER BY job.id
"""
_ONE: LiteralString = """
SELECT letter.job_id, letter.epoch, letter.queue, letter.kind, letter.code, letter.message,
  letter.fingerprint, letter.created_at, letter.traceback, letter.history, letter.published_at,
  letter.discarded_at, letter.reason
FROM jobs_deadletter letter WHERE letter.job_id = %s
"""
_CURRENT: LiteralString = """
SELECT job_id, epoch FROM unnest(%s::uuid[], %s::int[]) AS told(job_id, epoch)
JOIN jobs_deadletter letter USING (job_id, epoch) WHERE letter.discarded_at IS NULL
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterFilter:
    """Which letters: None is any; discarded ones never match. `since` and `until` are times of death.

    `jobs` are ids that were picked; groups do not heed them.
    """

    model: str | None = None
    kind: str | None = None
    fingerprint: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    jobs: list[UUID] | None = None


@dataclass(frozen=True, slots=True)
class LetterGroup:
    """Letters that look alike: how many, and when the first and the last of their jobs died."""

    queue: str
    kind: str
    fingerprint: str
    count: int
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True, slots=True)
class Groups:
    """The largest groups; there are `letters` in `groups` in all, as far as was looked."""

    largest: list[LetterGroup]
    letters: int = 0
    groups: int = 0

    @property
    def cut(self) -> bool:
        """Say whether there are letters that were not looked at."""
        return self.letters >= LOOKED_AT


@dataclass(frozen=True, slots=True)
class Dead:
    """A letter's row in a list."""

    job: UUID
    epoch: int
    queue: str
    kind: str
    code: str
    message: str
    fingerprint: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class DeadWhole(Dead):
    """A letter's whole row."""

    traceback: str
    history: list[dict[str, Any]]
    published_at: datetime | None
    discarded_at: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class DeadInput:
    """What a dead job was asked, as it is stored, of which version, and whether its deadline has passed."""

    job: UUID
    version: int
    body: bytes
    overdue: bool | None
    encoding: str


def groups(wanted: LetterFilter, *, most: int = GROUPS_SHOWN) -> Groups:
    """Return the groups of the letters that match, largest first."""
    rows = fetch_all(GROUPS, {**asdict(wanted), "most": most, "looked_at": LOOKED_AT})
    if not rows:
        return Groups([])
    return Groups([LetterGroup(*row[:6]) for row in rows], letters=rows[0][6], groups=rows[0][7])


def count(wanted: LetterFilter) -> int:
    """Count the letters that match, up to LOOKED_AT."""
    return int(fetch_all(_COUNT, {**asdict(wanted), "looked_at": LOOKED_AT})[0][0])


def counts_by_queue() -> dict[str, tuple[int, int]]:
    """Return for each model its letters, and those the broker has not confirmed yet; up to LOOKED_AT."""
    rows: dict[str, int] = dict(fetch_all(_BY_QUEUE, (LOOKED_AT,)))
    due: dict[str, int] = dict(fetch_all(_DUE_BY_QUEUE, (LOOKED_AT,)))
    return {queue: (rows.get(queue, 0), due.get(queue, 0)) for queue in sorted({*rows, *due})}


def newest(wanted: LetterFilter, *, most: int) -> list[Dead]:
    """Return the letters of the newest jobs that match."""
    return [Dead(*row) for row in fetch_all(_NEWEST, {**asdict(wanted), "most": most})]


def ids(wanted: LetterFilter, *, after: UUID, most: int) -> list[UUID]:
    """Return the ids, in order, of jobs whose letters match, beyond `after`."""
    rows = fetch_all(_IDS, {**asdict(wanted), "after": after, "most": most})
    return [job for (job,) in rows]


def inputs(jobs: Sequence[UUID]) -> list[DeadInput]:
    """Return what these jobs were asked."""
    return [DeadInput(*row) for row in fetch_all(_INPUTS, (list(jobs),))]


def letter(job: UUID) -> DeadWhole | None:
    """Return a dead job's letter, discarded or not; None where it has none."""
    rows = fetch_all(_ONE, (job,))
    return DeadWhole(*rows[0]) if rows else None


def current(pointers: Collection[tuple[UUID, int]]) -> set[tuple[UUID, int]]:
    """Return those of the letters (job, epoch) that still count."""
    jobs, epochs = [job for job, _ in pointers], [epoch for _, epoch in pointers]
    return {(job, epoch) for job, epoch in fetch_all(_CURRENT, (jobs, epochs))}
