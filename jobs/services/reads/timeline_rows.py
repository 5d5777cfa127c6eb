"""The rows that a job's timeline is made of: the job with its side rows, its events, and its batches."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from jobs.core.states import State
from jobs.core.timeline.attempt_marks import LedgerMarks
from jobs.core.timeline.attempts import (
    CANCELLED,
    ESCALATED,
    FAILED,
    REPLAYED,
    REROUTED,
    RESCUED,
    TAKEN_BACK,
    JobMarks,
    OutboxMarks,
    PastEvent,
)
from jobs.core.timeline.sentences import BatchWords
from jobs.db.statement import Statement, fetch_all
from jobs.services.reads.job_views import OF_CLIENT

MOST_EVENTS = 100


class TimelineJobRow(NamedTuple):
    """A job, its outbox row, and the identical job that runs or ran for it; `slow`: in the slow lane."""

    now: datetime
    id: UUID
    state: str
    epoch: int
    model: str
    version: str
    version_id: int
    pads: bool
    priority: int
    client: int
    size: int
    batch: UUID | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    since: datetime | None
    published_at: datetime | None
    apart: int | None
    leader: UUID | None
    followed: bool
    slow: bool

    @property
    def marks(self) -> JobMarks:
        """Return what its attempts are divided by."""
        return JobMarks(
            now=self.now,
            state=State(self.state),
            epoch=self.epoch,
            created_at=self.created_at,
            started_at=self.started_at,
            finished_at=self.finished_at,
            batch=self.batch,
            shares=self.leader is not None or self.followed,
            outbox=OutboxMarks(self.since, self.published_at) if self.since else None,
        )


# A follower's dead letter says that it followed, and has no batch.
_JOB = Statement(
    f"""
SELECT clock_timestamp() AS now, j.id, j.state, j.epoch, j.queue AS model, v.version, j.version_id, v.pads,
  j.priority, j.client_id AS client, j.size, j.batch_id AS batch, j.created_at, j.started_at, j.finished_at,
  o.since, CASE WHEN o.published > 0 THEN o.published_at END AS published_at, o.apart,
  COALESCE(f.leader, r.source) AS leader,
  j.batch_id IS NULL AND COALESCE(d.reason LIKE 'it followed job %%', false) AS followed,
  COALESCE(o.queue <> j.queue, false) AS slow
FROM jobs_job j JOIN models_registry_modelversion v ON v.id = j.version_id
LEFT JOIN jobs_outbox o ON o.job_id = j.id
LEFT JOIN jobs_follower f ON f.job_id = j.id
LEFT JOIN jobs_deadletter d ON d.job_id = j.id
LEFT JOIN LATERAL (SELECT source FROM jobs_jobresult WHERE job_id = %(id)s LIMIT 1) r ON true
WHERE j.id = %(id)s AND {OF_CLIENT}
""",  # noqa: S608  # built from our own constants
    TimelineJobRow,
)
# Sorted by time and not by id: for the id the planner could walk the primary key past the events of all
# other jobs.
_EVENTS = Statement(
    """
SELECT at, kind, actor, CAST(detail->>'batch' AS uuid) AS batch, COALESCE(detail->>'code', '') AS code,
  COALESCE(CAST(detail->>'delay_s' AS float8), 0) AS delay_s, COALESCE(detail->>'was', '') AS was,
  CAST(detail->>'ended_at' AS timestamptz) AS ended_at
FROM jobs_event WHERE job_id = %(id)s AND kind = ANY(%(kinds)s::text[])
ORDER BY at DESC, id DESC LIMIT %(most)s
""",
    PastEvent,
)


class MemberRow(NamedTuple):
    """A batch, and what its row says of one member; `longest` is the size of its longest one."""

    id: UUID
    claimed_at: datetime
    finished_at: datetime | None
    due_ago_s: float | None
    published_ago_s: float | None
    buffered_s: float | None
    sealed_ago_s: float | None
    claim_s: float | None
    lane_s: float | None
    ran_s: float | None
    size: int
    longest: int
    seal_reason: str
    apart: int
    slow: bool
    worker: UUID
    node: str | None

    @property
    def marks(self) -> LedgerMarks:
        """Return the member's marks."""
        return LedgerMarks(**{name: getattr(self, name) for name in _MARKS})

    @property
    def words(self) -> BatchWords:
        """Return what sentences say about the batch."""
        return BatchWords(
            self.size,
            self.seal_reason,
            self.node or "",
            is_timed=self.claim_s is not None,
            slow=self.slow,
        )


_MARKS = (
    "claimed_at", "due_ago_s", "published_ago_s", "buffered_s", "sealed_ago_s", "claim_s", "lane_s", "ran_s",
    "finished_at",
)  # fmt: skip
_BATCHES = Statement(
    """
SELECT b.id, b.claimed_at, b.finished_at, b.due_ago_s[place] AS due_ago_s,
  b.published_ago_s[place] AS published_ago_s, b.buffered_s[place] AS buffered_s, b.sealed_ago_s, b.claim_s,
  b.lane_s, b.ran_s, b.size, (b.padded_size / GREATEST(b.size, 1))::bigint AS longest, b.seal_reason, b.apart,
  b.slow, b.worker_id AS worker, w.node
FROM jobs_batch b CROSS JOIN LATERAL array_position(b.members, %(id)s::uuid) AS place
LEFT JOIN jobs_worker w ON w.id = b.worker_id
WHERE b.id = ANY(%(batches)s::uuid[])
""",
    MemberRow,
)


def job_row(job_id: UUID, *, client_id: int | None) -> TimelineJobRow | None:
    """Return a job (of `client_id`, if given) with its side rows; None where there is none."""
    rows = fetch_all(_JOB, {"id": job_id, "client": client_id})
    return rows[0] if rows else None


def past_events(job_id: UUID) -> list[PastEvent]:
    """Return the job's last hundred events that ended or began an attempt, oldest first."""
    kinds = [FAILED, TAKEN_BACK, RESCUED, REROUTED, ESCALATED, REPLAYED, CANCELLED]
    return fetch_all(_EVENTS, {"id": job_id, "kinds": kinds, "most": MOST_EVENTS})[::-1]


def batches_of(job_id: UUID, batches: Collection[UUID]) -> dict[UUID, MemberRow]:
    """Return those of the batches that are left, with what each says of the job."""
    parameters: dict[str, Any] = {"id": job_id, "batches": list(batches)}
    return {row.id: row for row in fetch_all(_BATCHES, parameters)} if batches else {}
