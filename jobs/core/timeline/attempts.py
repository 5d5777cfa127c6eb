"""Divides a job's life into its attempts, from its row, its events, its batches and its outbox row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import zip_longest
from uuid import UUID

from jobs.core.states import TERMINAL, State, Verb
from jobs.core.timeline.attempt_marks import AttemptMarks, JobStage, LedgerMarks, TimelinePart, split

FAILED, TAKEN_BACK, REPLAYED, CANCELLED = "failed", "taken_back", "replay", "cancel"
# From a candidate of a roll-out to the stable version.
RESCUED, REROUTED = Verb.RESCUE.value, Verb.TAKE_BACK.value
ESCALATED, DEGRADED = Verb.ESCALATE.value, Verb.DEGRADE.value  # of a cascade
_ENDED = "ended"  # what an event of a replay says of the end before it
DIED = "worker died"
_TOLD = timedelta(milliseconds=50)  # an event of an end is written so soon after it
_FOLLOWED = timedelta(seconds=0.25)  # a submit's transaction may take less
SWEEPER = "sweeper"  # the actor of what ends a dead worker's attempts


class PauseReason(StrEnum):
    """Why an attempt was not due at once."""

    NONE = ""
    RETRY = "retry"
    REPLAY = "replay"
    TAKEN_BACK = "taken back"
    RESCUED = "rescued"
    REROUTED = "rerouted"
    ESCALATED = "escalated"
    FORGOTTEN = "forgotten"


_PAUSES = {
    TAKEN_BACK: PauseReason.TAKEN_BACK,
    RESCUED: PauseReason.RESCUED,
    REROUTED: PauseReason.REROUTED,
    ESCALATED: PauseReason.ESCALATED,
}


@dataclass(frozen=True, slots=True)
class PastEvent:
    """An event that ended an attempt, or a replay; `batch` is the one that it ran in.

    One of a replay says what the job `was` and when it had `ended_at`, unless it is older than this word.
    """

    at: datetime
    kind: str
    actor: str = ""
    batch: UUID | None = None
    code: str = ""
    delay_s: float = 0.0
    was: str = ""
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OutboxMarks:
    """The outbox row of a job that waits: when it is or was first due, and last published."""

    since: datetime
    published_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobMarks:
    """A job's row: `batch` is its last one. `shares` means that an identical job runs, or ran, for it.

    `may_follow` means that its version lets identical jobs share a run.
    """

    now: datetime
    state: State
    epoch: int
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    batch: UUID | None = None
    shares: bool = False
    may_follow: bool = False
    outbox: OutboxMarks | None = None

    @property
    def is_over(self) -> bool:
        """Return whether the job has ended."""
        return self.state in TERMINAL

    @property
    def end(self) -> datetime:
        """Return its end, or now."""
        return self.finished_at or self.now


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineAttempt:
    """An attempt: how it ended, or the job's state where it is the last; `code` is of its failure.

    It began with a `pause`, after the failure `failed_with`. `is_pruned` means that its batch's row was
    deleted.
    """

    number: int
    outcome: str
    parts: Sequence[TimelinePart]
    batch: UUID | None = None
    code: str = ""
    pause: PauseReason = PauseReason.NONE
    failed_with: str = ""
    is_pruned: bool = False

    @property
    def is_forgotten(self) -> bool:
        """Return whether the events of earlier attempts were deleted, whose time its first part has."""
        return self.pause is PauseReason.FORGOTTEN and self.parts[0].part is JobStage.BACKOFF

    @property
    def longest(self) -> TimelinePart:
        """Return its longest part."""
        return max(self.parts, key=lambda part: part.seconds)


@dataclass(slots=True)
class _Cursor:
    """How far the life is divided, which ends at `limit`."""

    at: datetime
    limit: datetime
    pause: PauseReason = PauseReason.NONE
    failed_with: str = ""
    delay_s: float = 0.0
    attempts: list[TimelineAttempt] = field(default_factory=list)

    @property
    def due(self) -> datetime:
        """Return when the attempt that begins here is due, as far as events say."""
        return self.at + timedelta(seconds=self.delay_s)

    def add(self, marks: AttemptMarks, *, outcome: str, batch: UUID | None, code: str, pruned: bool) -> None:
        """Append an attempt that begins here, and go to its end."""
        attempt = TimelineAttempt(
            number=len(self.attempts) + 1,
            outcome=outcome,
            parts=split(marks),
            batch=batch,
            code=code,
            pause=self.pause,
            failed_with=self.failed_with,
            is_pruned=pruned,
        )
        self.attempts.append(attempt)
        self.at = marks.end


def attempts_of(
    job: JobMarks, events: Sequence[PastEvent], ledger: Mapping[UUID, LedgerMarks]
) -> list[TimelineAttempt]:
    """Return a job's attempts, oldest first, which leave no gap between its creation and its end or now.

    `events` are in order; `ledger` holds the batches that are left, each with what it says of this job.
    """
    cursor = _Cursor(job.created_at, job.end)
    for event, after in zip_longest(events, events[1:]):
        # A job that stayed cancelled ended in its last attempt, and the event of a replay knows more.
        is_alone = after is not None and after.ended_at is None
        if event.kind in {*_PAUSES, FAILED} or (event.kind == CANCELLED and is_alone):
            _end(cursor, event, ledger)
        elif event.kind == REPLAYED:
            if end := _end_before(cursor, event):
                _end(cursor, end, ledger)
            cursor.pause, cursor.failed_with, cursor.delay_s = PauseReason.REPLAY, "", 0.0
    if not (job.is_over and cursor.attempts and cursor.at >= job.end):
        _last(cursor, job, ledger)
    return cursor.attempts


def _end(cursor: _Cursor, event: PastEvent, ledger: Mapping[UUID, LedgerMarks]) -> None:
    """Append the attempt that an event ended."""
    member = ledger.get(event.batch) if event.batch else None
    ends = _from_creation(cursor, member.ends() if member else {JobStage.BACKOFF: cursor.due})
    last = member.last if member else JobStage.RUN if event.batch else JobStage.OUTBOX
    # The event is written some statements after the transaction began, whose time the rows have.
    stored = member.finished_at if member and member.finished_at else event.at
    end = max(min(stored, event.at, cursor.limit), cursor.at)
    marks = AttemptMarks(begin=cursor.at, end=end, ends=ends, last=last)
    pruned = event.batch is not None and member is None
    cursor.add(marks, outcome=_outcome(event), batch=event.batch, code=event.code, pruned=pruned)
    cursor.pause = _PAUSES.get(event.kind, PauseReason.RETRY)
    cursor.failed_with, cursor.delay_s = event.code, event.delay_s


def _end_before(cursor: _Cursor, replay: PastEvent) -> PastEvent | None:
    """Return the end that a replay followed, where no event of its own told of it."""
    if replay.ended_at is None or replay.ended_at < cursor.at + _TOLD:
        return None
    is_told = replay.batch in {attempt.batch for attempt in cursor.attempts}  # it waited for its next one
    return replace(replay, at=replay.ended_at, kind=_ENDED, batch=None if is_told else replay.batch)


def _from_creation(
    cursor: _Cursor, ends: dict[JobStage, datetime], *, may_follow: bool = False
) -> dict[JobStage, datetime]:
    """Return the ends of a first attempt without a pause: it was due once its transaction had stored it.

    It may have followed an identical job that then left it to run, whose row is gone.
    """
    due = ends.get(JobStage.BACKOFF)
    if due is None or cursor.pause is not PauseReason.NONE:
        return ends
    rest = dict(ends)
    del rest[JobStage.BACKOFF]
    if may_follow and due > cursor.at + _FOLLOWED:
        rest[JobStage.FOLLOW] = due
    return rest


def _outcome(event: PastEvent) -> str:
    if event.kind == _ENDED:
        return event.was
    if event.kind == CANCELLED:
        return "cancelled"
    if event.kind in _PAUSES:
        return DIED if event.code == "worker_died" else _PAUSES[event.kind].value
    return DIED if event.actor == SWEEPER else "failed"


def _last(cursor: _Cursor, job: JobMarks, ledger: Mapping[UUID, LedgerMarks]) -> None:
    """Append the attempt that goes on, or that the job ended with."""
    batch = job.batch if job.is_over or job.state is State.RUNNING else None
    if batch in {attempt.batch for attempt in cursor.attempts}:
        batch = None  # it ended waiting for its next one
    member = ledger.get(batch) if batch else None
    if batch is None:
        ends, last = _unclaimed(cursor, job)
    elif member is None:
        ends, last = {JobStage.OUTBOX: job.started_at or job.end}, JobStage.RUN
    else:
        ends, last = member.ends(), member.last
    if not cursor.attempts and cursor.pause is PauseReason.NONE and job.epoch > 1:
        cursor.pause = PauseReason.FORGOTTEN
    ends = _from_creation(cursor, ends, may_follow=job.may_follow)
    end = max(job.end, cursor.at)
    marks = AttemptMarks(begin=cursor.at, end=end, ends=ends, last=last, is_open=not job.is_over)
    cursor.add(marks, outcome=job.state, batch=batch, code="", pruned=batch is not None and member is None)


def _unclaimed(cursor: _Cursor, job: JobMarks) -> tuple[dict[JobStage, datetime], JobStage]:
    """Return the ends and the last part of an attempt that no worker has claimed."""
    if job.shares:
        return {}, JobStage.FOLLOW
    if job.outbox is None:
        return {JobStage.BACKOFF: cursor.due}, JobStage.OUTBOX
    ends = {JobStage.BACKOFF: job.outbox.since}
    if job.outbox.published_at is None:
        return ends, JobStage.OUTBOX
    return ends | {JobStage.OUTBOX: job.outbox.published_at}, JobStage.BROKER
