"""The verdict on a step of a cascade: its answer is enough, its job goes on, or something hinders that."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

import msgspec
import sqlalchemy as sa

from jobs import metrics
from jobs.core.cascades.step_ends import (
    CascadeState,
    Hindrance,
    StepVerdict,
    ended_step,
    failed_step,
    hindered,
    judged_output,
)
from jobs.core.failures import Failure, Success
from jobs.core.retry.policy import RetryAfter
from jobs.services.lifecycle.cascading.settle_steps import refused
from jobs.services.lifecycle.cascading.step_times import StepTimes
from jobs.services.lifecycle.cascading.switch import EscalationSwitch
from jobs.services.lifecycle.settle import Verdict
from jobs.worker.circuit_monitor import CircuitMonitor
from jobs.worker.stages.claimed_batch import ClaimedBatch
from jobs.worker.stages.verdicts import BatchVerdicts


def without_confidence(verdict: Verdict) -> Verdict:
    """Return the verdict on a step of a guarded version: no number of its answer is stored in clear."""
    step = verdict.step
    if step is None or step.confidence is None:
        return verdict
    return msgspec.structs.replace(verdict, step=msgspec.structs.replace(step, confidence=None))


class StepJudge:
    """Judges the steps of one worker's batches; used by the settle stage's thread alone."""

    def __init__(self, engine: sa.Engine, circuits: CircuitMonitor) -> None:
        """Prepare to judge."""
        self._engine, self._circuits, self._times = engine, circuits, StepTimes()
        self._switch = EscalationSwitch()

    def stepped_all(
        self, batch: ClaimedBatch, verdicts: list[Verdict], outcomes: Mapping[int, Success | Failure]
    ) -> list[Verdict]:
        """Return a batch's verdicts with what follows in cascades; `outcomes` are in clear, by their places.

        It may read the database, so the batch must not count as busy.
        """
        try:
            return self._stepped_all(batch, verdicts, outcomes)
        finally:
            self._switch.release()

    def _stepped_all(
        self, batch: ClaimedBatch, verdicts: list[Verdict], outcomes: Mapping[int, Success | Failure]
    ) -> list[Verdict]:
        times = BatchVerdicts(batch)
        found = list[Verdict]()
        for at, (job, verdict) in enumerate(zip(batch.jobs, verdicts, strict=True)):
            state = batch.cascades.get(job.job)
            if state is None:
                found.append(verdict)
                continue
            stepped = self.stepped(
                msgspec.structs.replace(verdict, attempt=job.attempts),
                state,
                outcomes[at],
                model=batch.model,
                client=job.client,
                left_s=times.left_s(job),
            )
            found.append(without_confidence(stepped) if batch.guarded else stepped)
        return found

    def stepped(  # the verdict as it would be without a cascade, and what decides the next step
        self,
        verdict: Verdict,
        state: CascadeState,
        answer: Success | Failure,
        *,
        model: str,
        client: int,
        left_s: float | None,
    ) -> Verdict:
        """Return the verdict with what follows in the cascade; `answer` is the outcome in clear.

        `left_s` are the seconds until the deadline, None where there is none.
        """
        if isinstance(verdict.outcome, Failure) or isinstance(answer, Failure):
            # One to be tried again counts only where it comes after the deadline: then the step has ended.
            ended = state.degrades or not isinstance(verdict.after, RetryAfter)
            return msgspec.structs.replace(verdict, step=failed_step(state)) if ended else verdict
        step = ended_step(state, judged_output(state, answer.body))
        by = self._hindrance(step, verdict.job, client=client, left_s=left_s) if step.goto else None
        if by is not None:
            step = hindered(step, by)
        metrics.CASCADE_STEPS.labels(model, (by or step.why).value).inc()
        if by is not None and not step.degraded:
            return refused(verdict, step)
        return msgspec.structs.replace(verdict, step=step)

    def _hindrance(
        self, step: StepVerdict, job: UUID, *, client: int, left_s: float | None
    ) -> Hindrance | None:
        if self._circuits.is_open(step.goto, client):
            return Hindrance.CIRCUIT
        if left_s is not None and left_s <= self._times.takes_s(self._engine, step.goto):
            return Hindrance.NO_TIME
        return None if self._switch.is_on(job) else Hindrance.SWITCHED_OFF
