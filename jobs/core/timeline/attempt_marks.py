"""Splits an attempt into its parts, which telescope: each begins where the one before ends.

The parts are the stages from outbox to settle, and before them what else a job waits for: an identical job
that runs for both, or the time until its retry or replay is due.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from jobs.core.stages import Stage, waits


class JobStage(StrEnum):
    """A part of an attempt, in their order."""

    FOLLOW = "follow"
    BACKOFF = "backoff"
    OUTBOX = Stage.OUTBOX.value
    BROKER = Stage.BROKER.value
    BUFFER = Stage.BUFFER.value
    CLAIM = Stage.CLAIM.value
    LANE = Stage.LANE.value
    RUN = Stage.RUN.value
    SETTLE = Stage.SETTLE.value


BEFORE_CLAIM = frozenset({JobStage.BACKOFF, JobStage.OUTBOX, JobStage.BROKER, JobStage.BUFFER})
# A batch that was claimed went through them, however short: no part is left out because clocks disagree.
_OF_THE_CLAIM = frozenset({JobStage.CLAIM, JobStage.LANE, JobStage.RUN})
_ONLY_WHERE_LONG = frozenset({JobStage.FOLLOW, JobStage.BACKOFF})
_LONG = timedelta(milliseconds=10)  # times of a transaction and of its statements differ by less


@dataclass(frozen=True, slots=True)
class TimelinePart:
    """A part of an attempt; `is_open` means that it goes on, and `seconds` are those so far."""

    part: JobStage
    begin: datetime
    end: datetime
    is_open: bool = False

    @property
    def seconds(self) -> float:
        """Return how long it took."""
        return (self.end - self.begin).total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptMarks:
    """When an attempt began and ended, and when each of its parts ended as far as that is known.

    `last` is the part that it was in at its end. A part whose end is not known has no time of its own: the
    next one has it. An `is_open` attempt goes on, and `end` is now.
    """

    begin: datetime
    end: datetime
    ends: Mapping[JobStage, datetime]
    last: JobStage
    is_open: bool = False


def split(marks: AttemptMarks) -> list[TimelinePart]:
    """Return the parts of an attempt, whose seconds add up to those from its begin to its end.

    Marks of several clocks may disagree by milliseconds: none ends before it begins, or after the attempt.
    """
    parts, at = list[TimelinePart](), marks.begin
    for part in JobStage:
        end = marks.ends.get(part)
        is_in_it = end is not None and end >= marks.end and part not in _OF_THE_CLAIM
        if part is marks.last or is_in_it:
            return [*parts, TimelinePart(part, at, max(marks.end, at), marks.is_open)]
        if end is None or (end < at + _LONG and part in _ONLY_WHERE_LONG):
            continue
        parts.append(TimelinePart(part, at, max(min(end, marks.end), at)))
        at = parts[-1].end
    raise AssertionError  # `last` is one of them


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerMarks:
    """What the ledger keeps of one member of a batch, in seconds; None where it does not know."""

    claimed_at: datetime
    due_ago_s: float | None = None
    published_ago_s: float | None = None
    buffered_s: float | None = None
    sealed_ago_s: float | None = None
    claim_s: float | None = None
    lane_s: float | None = None
    ran_s: float | None = None
    finished_at: datetime | None = None

    @property
    def last(self) -> JobStage:
        """Return the part that lasts until the attempt's end: the run, where no times were stored."""
        return JobStage.RUN if self.claim_s is None else JobStage.SETTLE

    @property
    def received_at(self) -> datetime | None:
        """Return when the worker received the message; None where that is not known."""
        return None if self.due_ago_s is None else self.ends()[JobStage.BROKER]

    def ends(self) -> dict[JobStage, datetime]:
        """Return when each part ended that is known to have ended."""
        sealed_ago_s = self.sealed_ago_s or 0.0
        sealed_at = self.claimed_at - timedelta(seconds=sealed_ago_s)
        return self._before(sealed_at, sealed_ago_s) | self._after(sealed_at)

    def _before(self, sealed_at: datetime, sealed_ago_s: float) -> dict[JobStage, datetime]:
        if self.due_ago_s is None:
            return {JobStage.OUTBOX: sealed_at}
        outbox_s, broker_s, buffer_s = waits(
            due_ago_s=self.due_ago_s,
            published_ago_s=self.published_ago_s,
            buffered_s=self.buffered_s or 0.0,
            sealed_ago_s=sealed_ago_s,
        )
        received_at = sealed_at - timedelta(seconds=buffer_s)
        published_at = received_at - timedelta(seconds=broker_s)
        return {
            JobStage.BACKOFF: published_at - timedelta(seconds=outbox_s),
            JobStage.OUTBOX: published_at,
            JobStage.BROKER: received_at,
            JobStage.BUFFER: sealed_at,
        }

    def _after(self, sealed_at: datetime) -> dict[JobStage, datetime]:
        if self.claim_s is None:
            return {JobStage.CLAIM: self.claimed_at}
        ends = {JobStage.CLAIM: sealed_at + timedelta(seconds=self.claim_s)}
        if self.lane_s is not None:
            ends[JobStage.LANE] = ends[JobStage.CLAIM] + timedelta(seconds=self.lane_s)
            if self.ran_s is not None:
                ends[JobStage.RUN] = ends[JobStage.LANE] + timedelta(seconds=self.ran_s)
        return ends
