"""Names the one cause of a job's longest wait, by one table.

The longest part of all attempts decides. Where it lies before the claim, the first of `HOLDS` counts that
held the job for more than half of that wait; else the jobs that went before it, of which most were of higher
priority, of other clients, or simply before it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from jobs.core.batching.explain import seconds
from jobs.core.batching.sealed_batch import SealReason
from jobs.core.timeline.attempt_marks import JobStage


class Cause(StrEnum):
    """Why a job waited longest; the value is shown by the API."""

    PAUSED = "paused"
    NO_WORKER = "no_worker"
    NO_RELAY = "no_relay"
    BACKLOG = "backlog"
    PRIORITY = "priority"
    FAIR_SHARE = "fair_share"
    SLOW_LANE = "slow_lane"
    CIRCUIT = "circuit"
    BACKOFF = "backoff"
    RETRY_BUDGET = "retry_budget"
    BROKER = "broker"
    DATABASE = "database"
    COLD_MODEL = "cold_model"
    QUARANTINE = "quarantine"
    LINGER = "linger"
    MODEL = "model"
    BATCHMATES = "batchmates"
    SETTLE = "settle"
    FOLLOWS = "follows"


# In the order in which they count.
HOLDS = (
    Cause.PAUSED,
    Cause.NO_WORKER,
    Cause.CIRCUIT,
    Cause.BACKOFF,
    Cause.RETRY_BUDGET,
    Cause.BROKER,
    Cause.DATABASE,
    Cause.NO_RELAY,
    Cause.QUARANTINE,
    Cause.COLD_MODEL,
)
_WAITED_FOR_OTHERS = frozenset({SealReason.FULL, SealReason.MEMORY, SealReason.BYTES})


@dataclass(frozen=True, slots=True)
class WentBefore:
    """How many jobs of the model were claimed while the job waited, of those that were looked at.

    `higher` had a higher priority; `others` are of the rest those of other clients.
    """

    higher: int = 0
    others: int = 0
    own: int = 0

    @property
    def total(self) -> int:
        """Return how many there were."""
        return self.higher + self.others + self.own

    @property
    def cause(self) -> Cause:
        """Return what most of them had before this job."""
        groups = {Cause.PRIORITY: self.higher, Cause.FAIR_SHARE: self.others, Cause.BACKLOG: self.own}
        return max(groups, key=lambda cause: groups[cause]) if self.total else Cause.BACKLOG


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What was going on in an attempt's wait of `wait_s` seconds before its claim.

    `held_s` are the seconds of it for which each of the holds held. Its worker ran other batches for `busy_s`
    of the `buffer_s` seconds that the job lay there. `size` is the job's own and `longest` that of the
    longest member of its batch, both 0 where the model does not pad. `slow` says that its batch was of the
    slow lane, whose batches leave a lane of each worker to others.
    """

    wait_s: float = 0.0
    held_s: Mapping[Cause, float] = field(default_factory=dict)
    before: WentBefore = WentBefore()
    seal_reason: str = ""
    buffer_s: float = 0.0
    busy_s: float = 0.0
    size: int = 0
    longest: int = 0
    slow: bool = False

    @property
    def behind(self) -> Cause:
        """Return what it waited for where nothing held it: the jobs before it, or the slow lane."""
        cause = self.before.cause
        return Cause.SLOW_LANE if self.slow and cause is Cause.BACKLOG else cause

    @property
    def held(self) -> Cause | None:
        """Return what held the job for more than half of the wait."""
        return next((cause for cause in HOLDS if self.held_s.get(cause, 0.0) > self.wait_s / 2), None)


def _waiting(now: Circumstances) -> Cause:
    return now.held or now.behind


def _backoff(now: Circumstances) -> Cause:
    return now.held or Cause.BACKOFF


def _buffer(now: Circumstances) -> Cause:
    if now.held:
        return now.held
    if now.slow or now.busy_s > now.buffer_s / 2:
        return now.behind
    return Cause.BATCHMATES if now.seal_reason in _WAITED_FOR_OTHERS else Cause.LINGER


def _run(now: Circumstances) -> Cause:
    return Cause.BATCHMATES if 0 < 2 * now.size < now.longest else Cause.MODEL


# The longest part, and what it means.
RULES: Mapping[JobStage, Callable[[Circumstances], Cause]] = {
    JobStage.FOLLOW: lambda _: Cause.FOLLOWS,
    JobStage.BACKOFF: _backoff,
    JobStage.OUTBOX: _waiting,
    JobStage.BROKER: _waiting,
    JobStage.BUFFER: _buffer,
    JobStage.CLAIM: lambda _: Cause.DATABASE,
    JobStage.LANE: lambda now: now.before.cause,
    JobStage.RUN: _run,
    JobStage.SETTLE: lambda _: Cause.SETTLE,
}


def cause_of(longest: JobStage, circumstances: Circumstances) -> Cause:
    """Return the cause of a wait whose longest part is `longest`."""
    return RULES[longest](circumstances)


_EXPLAINED: Mapping[Cause, str] = {
    Cause.PAUSED: "Its model, version or client was paused for {held} of the {wait} before the claim.",
    Cause.NO_RELAY: "No relay was there to publish it for {held} of the {wait} before the claim: start one.",
    Cause.NO_WORKER: "No live worker served {model} for {held} of the {wait} before the claim: start one.",
    Cause.CIRCUIT: "A circuit held {model} back for {held} of the {wait} before the claim: jobs had failed.",
    Cause.BACKOFF: "It waited {part} to be due: the pause after a failed attempt, or of a replay.",
    Cause.RETRY_BUDGET: "{model} was over its retry budget for {held} of the {wait} before the claim.",
    Cause.BROKER: "The broker was away or refused messages for {held} of the {wait} before the claim.",
    Cause.DATABASE: "It waited {part} while the database was away, or slow to claim it.",
    Cause.QUARANTINE: "A worker had died with it in hand, so it waited {wait} to run apart from other jobs.",
    Cause.COLD_MODEL: "{model} was being loaded, or could not be, for {held} of the {wait} before the claim.",
    Cause.BACKLOG: "Of {total} jobs of {model} that were claimed before it, most had come before it.",
    Cause.PRIORITY: "Of {total} jobs of {model} that were claimed before it, {higher} had a higher priority.",
    Cause.FAIR_SHARE: "Of {total} jobs of {model} that were claimed before it, {others} were of others.",
    Cause.SLOW_LANE: "It waited for the slow lane: slow batches leave a lane of each worker to fast ones, and"
    " {total} other jobs of {model} were claimed before it.",
    Cause.LINGER: "Its worker waited {part} for more jobs to run with it.",
    Cause.BATCHMATES: "Other jobs of its batch cost it most of {part}: they came later, or are longer.",
    Cause.MODEL: "The model ran for {part}.",
    Cause.SETTLE: "Storing the results took {part}.",
    Cause.FOLLOWS: "It waited for an identical job that ran for both, or had its result at once.",
}
_ONE_BEFORE: Mapping[Cause, str] = {
    Cause.BACKLOG: "One job of {model} was claimed before it, and had come before it.",
    Cause.PRIORITY: "One job of {model} was claimed before it, and had a higher priority.",
    Cause.FAIR_SHARE: "One job of {model} was claimed before it, and was another client's.",
}
_NOTHING_BEFORE = (
    "It waited {part} for a relay and a free worker. No other job of {model} went before it, and nothing that"
    " held it is on record."
)


def explain(cause: Cause, now: Circumstances, *, model: str, part_s: float) -> str:
    """Return a sentence about a cause; `part_s` is the length of the longest part."""
    before = now.before
    return _template(cause, before.total).format(
        model=model,
        held=seconds(now.held_s.get(cause, 0.0)),
        wait=seconds(now.wait_s),
        part=seconds(part_s),
        higher=before.higher,
        others=before.others,
        total=before.total,
    )


def _template(cause: Cause, before: int) -> str:
    if cause is Cause.BACKLOG and not before:
        return _NOTHING_BEFORE
    return (_ONE_BEFORE if before == 1 else _EXPLAINED).get(cause, _EXPLAINED[cause])
