"""Reads of dead letters: groups and counts from one index, and lists, all bounded however many there are."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from jobs.db.statement import Statement, fetch_all

LOOKED_AT = 200_000
GROUPS_SHOWN = 100
SAMPLE_CHARS = 160
FIRST_ID = UUID(int=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterFilter:
    """A selection of dead letters; None is any, and discarded ones never match.

    `since` and `until` are times of death. `jobs` are ids that a person picked; groups ignore them.
    """

    model: str | None = None
    kind: str | None = None
    fingerprint: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    jobs: list[UUID] | None = None


@dataclass(frozen=True, slots=True)
class DeadLetterGroup:
    """Dead letters that look alike: how many, and when the first and the last of their jobs died."""

    queue: str
    kind: str
    fingerprint: str
    count: int
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True, slots=True)
class _GroupRow(DeadLetterGroup):
    """A group, with the number of dead letters and of groups in all."""

    dead_letters: int
    groups: int


@dataclass(frozen=True, slots=True)
class Groups:
    """The largest groups, and the numbers of all `dead_letters` and `groups` that were counted."""

    largest: Sequence[DeadLetterGroup]
    dead_letters: int = 0
    groups: int = 0

    @property
    def cut(self) -> bool:
        """Return whether more dead letters may match than were counted."""
        return self.dead_letters >= LOOKED_AT


@dataclass(frozen=True, slots=True)
class ListedDeadLetter:
    """A dead letter in a list."""

    job: UUID
    epoch: int
    queue: str
    kind: str
    code: str
    message: str
    fingerprint: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class DeadLetterDetails(ListedDeadLetter):
    """All of a letter."""

    traceback: str
    history: list[dict[str, Any]]
    published_at: datetime | None
    discarded_at: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class DeadInput:
    """A dead job's input as it is stored, its version, and whether the job's deadline has passed."""

    job: UUID
    version: int
    body: bytes
    overdue: bool | None
    encoding: str
    client: int
    wrapped: bytes | None


class DeadLetterKey(NamedTuple):
    """A job, and the epoch in which it died."""

    job: UUID
    epoch: int


class LookAlikes(NamedTuple):
    """Dead letters of one model and fingerprint that match a filter, and how many they are."""

    queue: str
    fingerprint: str
    jobs: int


class _QueueRow(NamedTuple):
    queue: str
    dead_letters: int


_MATCHES: LiteralString = """
letter.discarded_at IS NULL
  AND (%(model)s::text IS NULL OR letter.queue = %(model)s)
  AND (%(kind)s::text IS NULL OR letter.kind = %(kind)s)
  AND (%(fingerprint)s::text IS NULL OR letter.fingerprint = %(fingerprint)s)
  AND (%(since)s::timestamptz IS NULL OR letter.created_at >= %(since)s)
  AND (%(until)s::timestamptz IS NULL OR letter.created_at <= %(until)s)
"""
# Not part of the others: with the id among the conditions, groups could not be read from their index alone.
_CHOSEN: LiteralString = f"{_MATCHES} AND (%(jobs)s::uuid[] IS NULL OR letter.job_id = ANY(%(jobs)s))"
# In the order of the index, so that only the index is read.
GROUPS = Statement(
    f"""
SELECT queue, kind, fingerprint, count(*) AS count, min(created_at) AS first_seen,
  max(created_at) AS last_seen, sum(count(*)) OVER ()::bigint AS dead_letters, count(*) OVER () AS groups
FROM (
  SELECT queue, kind, fingerprint, created_at FROM jobs_deadletter letter WHERE {_MATCHES}
  ORDER BY queue, kind, fingerprint LIMIT %(looked_at)s
) AS letter
GROUP BY queue, kind, fingerprint ORDER BY count(*) DESC, max(created_at) DESC LIMIT %(most)s
""",  # noqa: S608  # built from our own constants
    _GroupRow,
)
# Sealed words are not read: such a message says so itself.
_SAMPLES = Statement(
    """
SELECT left((
  SELECT message FROM jobs_deadletter letter
  WHERE letter.queue = g.queue AND letter.kind = g.kind AND letter.fingerprint = g.fingerprint
    AND discarded_at IS NULL ORDER BY created_at DESC LIMIT 1), %(most)s) AS message
FROM unnest(%(queues)s::text[], %(kinds)s::text[], %(fingerprints)s::text[]) WITH ORDINALITY
  AS g(queue, kind, fingerprint, number) ORDER BY number
""",
    str,
)
_COUNT = Statement(
    f"""
SELECT count(*) FROM (
  SELECT FROM jobs_deadletter letter WHERE {_CHOSEN}
  ORDER BY queue, kind, fingerprint LIMIT %(looked_at)s
) AS letter
""",  # noqa: S608
    int,
)
_LOOK_ALIKES = Statement(
    f"""
SELECT queue, fingerprint, count(*) AS jobs FROM (
  SELECT queue, fingerprint FROM jobs_deadletter letter WHERE {_CHOSEN}
  ORDER BY queue, kind, fingerprint LIMIT %(looked_at)s
) AS letter GROUP BY queue, fingerprint ORDER BY count(*) DESC, queue, fingerprint LIMIT %(most)s
""",  # noqa: S608
    LookAlikes,
)
_BY_QUEUE = Statement(
    """
SELECT queue, count(*) AS dead_letters FROM (
  SELECT queue FROM jobs_deadletter WHERE discarded_at IS NULL ORDER BY queue LIMIT %(looked_at)s
) AS letter GROUP BY queue
""",
    _QueueRow,
)
_DUE_BY_QUEUE = Statement(
    """
SELECT queue, count(*) AS dead_letters FROM (
  SELECT queue FROM jobs_deadletter WHERE due IS NOT NULL ORDER BY queue LIMIT %(looked_at)s
) AS letter GROUP BY queue
""",
    _QueueRow,
)
_LISTED: LiteralString = """
letter.job_id AS job, letter.epoch, letter.queue, letter.kind, letter.code, letter.message,
  letter.fingerprint, letter.created_at
"""
_NEWEST = Statement(
    f"""
SELECT {_LISTED} FROM jobs_deadletter letter WHERE {_CHOSEN} ORDER BY job_id DESC LIMIT %(most)s
""",  # noqa: S608
    ListedDeadLetter,
)
_IDS = Statement(
    f"""
SELECT job_id FROM jobs_deadletter letter WHERE {_CHOSEN} AND job_id > %(after)s
ORDER BY job_id LIMIT %(most)s
""",  # noqa: S608
    UUID,
)
_INPUTS = Statement(
    """
SELECT job.id AS job, job.version_id AS version, input.body, job.deadline <= now() AS overdue, input.encoding,
  job.client_id AS client, keys.wrapped
FROM jobs_job job JOIN jobs_jobinput input ON input.job_id = job.id
LEFT JOIN jobs_jobkey keys ON keys.job_id = job.id
WHERE job.id = ANY(%(jobs)s) ORDER BY job.id
""",
    DeadInput,
)
_LETTER = Statement(
    f"""
SELECT {_LISTED}, letter.traceback, letter.history, letter.published_at, letter.discarded_at, letter.reason
FROM jobs_deadletter letter WHERE letter.job_id = %(job)s
""",  # noqa: S608
    DeadLetterDetails,
)
_CURRENT = Statement(
    """
SELECT job_id AS job, epoch FROM unnest(%(jobs)s::uuid[], %(epochs)s::int[]) AS given(job_id, epoch)
JOIN jobs_deadletter letter USING (job_id, epoch) WHERE letter.discarded_at IS NULL
""",
    DeadLetterKey,
)


def groups(selection: DeadLetterFilter, *, most: int = GROUPS_SHOWN) -> Groups:
    """Return the groups of the dead letters that match, largest first."""
    rows = fetch_all(GROUPS, {**asdict(selection), "most": most, "looked_at": LOOKED_AT})
    return Groups(rows, dead_letters=rows[0].dead_letters, groups=rows[0].groups) if rows else Groups([])


def sample_messages(groups: Sequence[DeadLetterGroup]) -> list[str]:
    """Return the beginning of the newest message of each group."""
    values = {
        "queues": [group.queue for group in groups],
        "kinds": [group.kind for group in groups],
        "fingerprints": [group.fingerprint for group in groups],
    }
    return [message or "" for message in fetch_all(_SAMPLES, {**values, "most": SAMPLE_CHARS})]


def look_alikes(selection: DeadLetterFilter, *, most: int = GROUPS_SHOWN) -> list[LookAlikes]:
    """Return the groups of the dead letters that match, picked ones too, largest first."""
    return fetch_all(_LOOK_ALIKES, {**asdict(selection), "most": most, "looked_at": LOOKED_AT})


def count(selection: DeadLetterFilter) -> int:
    """Count the dead letters that match, up to LOOKED_AT."""
    (dead_letters,) = fetch_all(_COUNT, {**asdict(selection), "looked_at": LOOKED_AT})
    return dead_letters


def rows_by_queue() -> dict[str, int]:
    """Return the number of dead letters of each model, up to LOOKED_AT in all."""
    return {row.queue: row.dead_letters for row in fetch_all(_BY_QUEUE, {"looked_at": LOOKED_AT})}


def due_by_queue() -> dict[str, int]:
    """Return the number of unconfirmed dead letters of each model, up to LOOKED_AT in all."""
    return {row.queue: row.dead_letters for row in fetch_all(_DUE_BY_QUEUE, {"looked_at": LOOKED_AT})}


def newest(selection: DeadLetterFilter, *, most: int) -> list[ListedDeadLetter]:
    """Return the dead letters of the newest jobs that match."""
    return fetch_all(_NEWEST, {**asdict(selection), "most": most})


def ids(selection: DeadLetterFilter, *, after: UUID, most: int) -> list[UUID]:
    """Return the ids, in order, of jobs beyond `after` whose dead letters match."""
    return fetch_all(_IDS, {**asdict(selection), "after": after, "most": most})


def inputs(jobs: Sequence[UUID]) -> list[DeadInput]:
    """Return the inputs of these jobs, as they are stored."""
    return fetch_all(_INPUTS, {"jobs": list(jobs)})


def dead_letter(job: UUID) -> DeadLetterDetails | None:
    """Return a dead job's dead letter, discarded or not; None where it has none."""
    rows = fetch_all(_LETTER, {"job": job})
    return rows[0] if rows else None


def current(keys: Collection[DeadLetterKey]) -> set[DeadLetterKey]:
    """Return those of the dead letters that still count."""
    values = {"jobs": [key.job for key in keys], "epochs": [key.epoch for key in keys]}
    return set(fetch_all(_CURRENT, values))
