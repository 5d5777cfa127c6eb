"""A job's timeline: its attempts, their parts, and the cause of the longest one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from jobs.core.cause import Cause, Circumstances, cause_of, explain
from jobs.core.timeline.attempt_marks import BEFORE_CLAIM, JobStage, TimelinePart
from jobs.core.timeline.attempts import TimelineAttempt, attempts_of
from jobs.core.timeline.sentences import NO_BATCH, sentence
from jobs.core.timeline.time_spans import TimeSpan
from jobs.services.reads import holds
from jobs.services.reads.job_views import View
from jobs.services.reads.timeline_rows import MemberRow, TimelineJobRow, batches_of, job_row, past_events
from models_registry.selectors import info


@dataclass(frozen=True, slots=True)
class JobTimeline:
    """A job, its attempts with the batches that are left, and why its longest part took so long."""

    job: TimelineJobRow
    attempts: Sequence[TimelineAttempt]
    batches: Mapping[UUID, MemberRow]
    cause: Cause | None
    explanation: str

    @property
    def end(self) -> datetime:
        """Return the job's end, or the time of the read."""
        return self.attempts[-1].parts[-1].end

    @property
    def seconds(self) -> float:
        """Return the seconds from the job's creation to its end, or so far."""
        return (self.end - self.job.created_at).total_seconds()

    def sentence(self, attempt: TimelineAttempt, part: TimelinePart) -> str:
        """Return a sentence about a part."""
        member = self.batches.get(attempt.batch) if attempt.batch else None
        waiting = replace(NO_BATCH, slow=self.job.slow)
        return sentence(attempt, part, member.words if member else waiting)

    def node(self, attempt: TimelineAttempt) -> str | None:
        """Return the node of the worker that claimed an attempt's batch; None where that is not known."""
        member = self.batches.get(attempt.batch) if attempt.batch else None
        return member.node if member else None


def read_timeline(job_id: UUID, *, client_id: int | None = None) -> JobTimeline | None:
    """Return the timeline of a job (of `client_id`, if given); None where there is no such job."""
    job = job_row(job_id, client_id=client_id)
    if job is None:
        return None
    events = past_events(job_id)
    named = {event.batch for event in events} | {job.batch}
    batches = batches_of(job_id, {batch for batch in named if batch})
    ledger = {batch: row.marks for batch, row in batches.items()}
    may_follow = info(job.version_id).platform_options.collapses
    attempts = attempts_of(replace(job.marks, may_follow=may_follow), events, ledger)
    cause, explanation = _why(job, attempts, batches)
    return JobTimeline(job, attempts, batches, cause, explanation)


def timeline_view(timeline: JobTimeline) -> View:
    """Return a timeline as the API shows it."""
    job = timeline.job
    return {
        "id": job.id,
        "state": job.state,
        "model": job.model,
        "version": job.version,
        "created_at": job.created_at,
        "finished_at": job.finished_at,
        "seconds": round(timeline.seconds, 6),
        "cause": timeline.cause,
        "explanation": timeline.explanation,
        "leader": job.leader,
        "pruned": any(attempt.is_pruned or attempt.is_forgotten for attempt in timeline.attempts),
        "attempts": [_attempt_view(timeline, attempt) for attempt in timeline.attempts],
    }


def _attempt_view(timeline: JobTimeline, attempt: TimelineAttempt) -> View:
    return {
        "number": attempt.number,
        "outcome": attempt.outcome,
        "code": attempt.code or None,
        "batch": attempt.batch,
        "worker": timeline.node(attempt),
        "pruned": attempt.is_pruned or attempt.is_forgotten,
        "stages": [
            {
                "stage": part.part,
                "begin": part.begin,
                "seconds": round(part.seconds, 6),
                "open": part.is_open,
                "sentence": timeline.sentence(attempt, part),
            }
            for part in attempt.parts
        ],
    }


def _why(
    job: TimelineJobRow, attempts: Sequence[TimelineAttempt], batches: Mapping[UUID, MemberRow]
) -> tuple[Cause | None, str]:
    """Return the cause of the longest part of all attempts, and a sentence about it."""
    attempt = max(attempts, key=lambda attempt: attempt.longest.seconds)
    longest = attempt.longest
    if attempt.is_pruned:
        return None, "The row of its batch was deleted: what it waited for is not known any more."
    if attempt.is_forgotten and longest.part is JobStage.BACKOFF:
        return (
            None,
            "The events of earlier attempts were deleted: what they waited for is not known.",
        )
    member = batches.get(attempt.batch) if attempt.batch else None
    now = _circumstances(job, attempt, member)
    cause = cause_of(longest.part, now)
    return cause, explain(cause, now, model=job.model, part_s=longest.seconds)


def _circumstances(job: TimelineJobRow, attempt: TimelineAttempt, member: MemberRow | None) -> Circumstances:
    """Read what counts for the longest part of an attempt, and no more."""
    longest = attempt.longest.part
    sizes = Circumstances(
        seal_reason=member.seal_reason if member else "",
        size=job.size if job.pads else 0,
        longest=member.longest if member and job.pads else 0,
        slow=member.slow if member else job.slow,
    )
    if longest is JobStage.LANE:
        span = TimeSpan(attempt.longest.begin - timedelta(minutes=1), attempt.longest.begin)
        return replace(sizes, before=holds.went_before(job, span, member))
    waits = [part for part in attempt.parts if part.part in BEFORE_CLAIM]
    if longest not in BEFORE_CLAIM:
        return sizes
    paused_s = sum(part.seconds for part in waits if part.part is JobStage.BACKOFF)
    wait = TimeSpan(waits[0].begin, waits[-1].end)
    due = TimeSpan(wait.begin + timedelta(seconds=paused_s), wait.end)
    buffered = next((part for part in waits if part.part is JobStage.BUFFER), None)
    unpublished = [part.end for part in waits if part.part in {JobStage.BACKOFF, JobStage.OUTBOX}]
    outbox = TimeSpan(due.begin, max(unpublished, default=due.begin))
    return replace(
        sizes,
        wait_s=wait.seconds,
        held_s={**holds.held_s(job, due, outbox, member), Cause.BACKOFF: paused_s},
        before=holds.went_before(job, due, member),
        buffer_s=buffered.seconds if buffered else 0.0,
        busy_s=holds.busy_s(TimeSpan(buffered.begin, buffered.end), member) if buffered and member else 0.0,
    )
