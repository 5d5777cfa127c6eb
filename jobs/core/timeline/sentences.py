"""Says of each part of an attempt, in a sentence, what happened in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jobs.core.states import State
from jobs.core.timeline.attempt_marks import JobStage, TimelinePart
from jobs.core.timeline.attempts import DIED, PauseReason, TimelineAttempt


@dataclass(frozen=True, slots=True)
class BatchWords:
    """What a sentence says about a batch; `worker` is empty where the worker's row is gone."""

    size: int = 0
    seal_reason: str = ""
    worker: str = ""
    is_timed: bool = True  # the ledger has the times of its stages
    slow: bool = False  # it is, or waits to be, a batch of the slow lane


NO_BATCH = BatchWords()
_SAID: Mapping[JobStage, str] = {
    JobStage.FOLLOW: "An identical job ran for both, or its result was there.",
    JobStage.OUTBOX: "It waited in the database until a relay published it.",
    JobStage.BROKER: "Its message waited in the broker until a worker received it.",
    JobStage.BUFFER: "It waited at {worker} until its batch of {jobs} was sealed: {seal_reason}.",
    JobStage.CLAIM: "{Worker} marked its batch as running and read the inputs.",
    JobStage.LANE: "Its batch waited for the device; the inputs were prepared meanwhile.",
    JobStage.RUN: "The model ran its batch of {jobs}.",
    JobStage.SETTLE: "The results of its batch were stored.",
}
_STILL: Mapping[JobStage, str] = {
    JobStage.FOLLOW: "It waits for an identical job that runs for both.",
    JobStage.BACKOFF: "It waits until it is due.",
    JobStage.OUTBOX: "It waits in the database for a relay to publish it.",
    JobStage.BROKER: "Its message waits in the broker for a worker.",
    JobStage.RUN: "It runs in a batch of {jobs} on {worker}, or waits there for the device.",
}
_IN_LINE = frozenset({JobStage.OUTBOX, JobStage.BROKER, JobStage.BUFFER})
_SLOW = " It is in the slow lane."
_PAUSED: Mapping[PauseReason, str] = {
    PauseReason.NONE: "It was not due yet.",
    PauseReason.RETRY: "The attempt before had failed{code}: it waited until the next one was due.",
    PauseReason.REPLAY: "It had ended, and lay until it was replayed and due.",
    PauseReason.TAKEN_BACK: "The attempt before was given back without a verdict.",
    PauseReason.RESCUED: "The candidate version had failed{code}: the stable version answers instead.",
    PauseReason.REROUTED: "The candidate version was stopped: the job went to the stable version.",
    PauseReason.ESCALATED: "Its answer was not sure enough: it waited for the next step of its cascade.",
    PauseReason.FORGOTTEN: "Earlier attempts were here, whose records were deleted.",
}
_UNTIMED = "It ran in a batch of {jobs} on {worker}, or waited there for the device; no times were stored."
_PRUNED = "It ran; the row of its batch was deleted, so that no more is known."
_WAITED = "It waited to run."
_ENDED: Mapping[str, str] = {
    State.CANCELLED: " Then it was cancelled.",
    State.EXPIRED: " Then its deadline passed.",
    State.DEAD: " Then it was refused.",
}


def sentence(attempt: TimelineAttempt, part: TimelinePart, batch: BatchWords = NO_BATCH) -> str:
    """Return a sentence about a part of an attempt."""
    worker = batch.worker or "its worker"
    jobs = f"{batch.size} job{'' if batch.size == 1 else 's'}"
    text = _template(attempt, part, batch).format(
        worker=worker,
        Worker=worker if batch.worker else "Its worker",
        jobs=jobs,
        seal_reason=batch.seal_reason,
        code=f" ({attempt.failed_with})" if attempt.failed_with else "",
    )
    lane = _SLOW if batch.slow and part.part in _IN_LINE else ""
    return text + lane + _end(attempt, part)


def _template(attempt: TimelineAttempt, part: TimelinePart, batch: BatchWords) -> str:
    if part.is_open and part.part in _STILL:
        return _STILL[part.part]
    if part.part is JobStage.BACKOFF:
        return _PAUSED[attempt.pause]
    if attempt.is_pruned:
        return _PRUNED if part.part is JobStage.RUN else _WAITED
    if part.part is JobStage.RUN and not batch.is_timed:
        return _UNTIMED
    return _SAID[part.part]


def _end(attempt: TimelineAttempt, part: TimelinePart) -> str:
    """Return what ended a part before the next one: only of the last part of an attempt without a verdict."""
    if part is not attempt.parts[-1] or part.is_open or part.part in {JobStage.SETTLE, JobStage.FOLLOW}:
        return ""
    if attempt.outcome == DIED:
        return " Then its worker died."
    if attempt.outcome == "taken back":
        return " Then its worker gave it back, without a verdict."
    if attempt.outcome == PauseReason.REROUTED:
        return " Then its candidate version was stopped, and the job was taken back."
    return _ENDED.get(attempt.outcome, "")
