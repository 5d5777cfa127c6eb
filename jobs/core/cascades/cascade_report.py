"""The report of a cascade: what its steps cost, how right it was, and what other thresholds would do. Pure.

All is from stored steps, so that no threshold needs a run. What a threshold costs is known for every job
whose steps ran; where it would send on a job that stayed, the mean of those that went on stands for it. How
right it would be is known where the answers that count are stored: below the threshold in force for every
job, above it only between the two cases that the jobs which stayed would all have been wrong, or right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from uuid import UUID

from msgspec import Struct

from jobs.core.cascades.step_ends import StepEnd

MOST_POINTS = 101


class SeenStep(Struct, frozen=True, gc=False):
    """A stored step; `device_s` is the job's part of its batch's run, None where its row is gone."""

    version: str
    why: StepEnd
    confidence: float | None = None
    hindered: bool = False
    device_s: float | None = None

    @property
    def hides_confidence(self) -> bool:
        """Return whether it had a confidence that is not kept, because its version's data is confidential."""
        return self.confidence is None and self.why in {StepEnd.ENOUGH, StepEnd.BELOW}


class CascadeJob(Struct, frozen=True, gc=False):
    """A job's steps in their order; `first` and `last` are its first answer's label and its result's.

    A label is None where the answer is gone, cannot be read, or has none. `truth` is the right one.
    """

    job: UUID
    steps: tuple[SeenStep, ...]
    first: str | None = None
    last: str | None = None
    truth: str | None = None

    @property
    def went_on(self) -> bool:
        """Return whether a second step ran."""
        return len(self.steps) > 1

    @property
    def is_degraded(self) -> bool:
        """Return whether an earlier answer stands because a later step could not answer."""
        end = self.steps[-1]
        return end.hindered or (self.went_on and end.why in {StepEnd.FAILED, StepEnd.EXPIRED})


class StepFigures(Struct, frozen=True):
    """What a step's version did: jobs that it ended, how, and the device's seconds that it took."""

    version: str
    jobs: int
    ends: Mapping[str, int]
    device_s: float
    device_s_per_job: float | None


class ThresholdFigures(Struct, frozen=True):
    """What a threshold would do; accuracies are None where no job has a right label."""

    below: float
    escalated_share: float
    device_s_per_job: float | None
    accuracy_low: float | None
    accuracy_high: float | None


class CascadeReport(Struct, frozen=True):
    """What a cascade did. Shares and accuracies are from 0 to 1; `labelled` jobs have a right label.

    `first_accuracy` and `last_accuracy` are of the first answers and of the results. `changed_share` is the
    part of the jobs that went on whose label the later step changed.
    """

    jobs: int
    escalated: int
    escalated_share: float | None
    degraded: int
    device_s: float
    device_s_per_job: float | None
    steps: list[StepFigures]
    labelled: int
    first_accuracy: float | None
    last_accuracy: float | None
    changed_share: float | None
    threshold: float
    curve: list[ThresholdFigures]  # of the jobs whose confidence is kept: none of guarded versions


def cascade_report(jobs: Sequence[CascadeJob], *, threshold: float) -> CascadeReport:
    """Return the report on jobs of one cascade, whose first check has this threshold."""
    escalated = sum(job.went_on for job in jobs)
    device_s = sum(_device_s(job) for job in jobs)
    labelled = [job for job in jobs if job.truth is not None]
    onward = [job for job in jobs if job.went_on and job.first is not None and job.last is not None]
    return CascadeReport(
        jobs=len(jobs),
        escalated=escalated,
        escalated_share=escalated / len(jobs) if jobs else None,
        degraded=sum(job.is_degraded for job in jobs),
        device_s=device_s,
        device_s_per_job=device_s / len(jobs) if jobs else None,
        steps=_steps(jobs),
        labelled=len(labelled),
        first_accuracy=_part([job.first == job.truth for job in labelled if job.first is not None]),
        last_accuracy=_part([job.last == job.truth for job in labelled if job.last is not None]),
        changed_share=_part([job.first != job.last for job in onward]),
        threshold=threshold,
        curve=_curve(jobs, threshold),
    )


def _steps(jobs: Sequence[CascadeJob]) -> list[StepFigures]:
    by_version: dict[str, list[SeenStep]] = {}
    for job in jobs:
        for step in job.steps:
            by_version.setdefault(step.version, []).append(step)
    return [_figures(version, steps) for version, steps in by_version.items()]


def _figures(version: str, steps: Sequence[SeenStep]) -> StepFigures:
    ends = dict.fromkeys((step.why.value for step in steps), 0)
    for step in steps:
        ends[step.why.value] += 1
    known = [step.device_s for step in steps if step.device_s is not None]
    return StepFigures(version, len(steps), ends, sum(known), fmean(known) if known else None)


def _curve(every: Sequence[CascadeJob], threshold: float) -> list[ThresholdFigures]:
    jobs = [job for job in every if not job.steps[0].hides_confidence]
    if not jobs:
        return []
    later = [_later_s(job) for job in jobs if job.went_on]
    typical_s = fmean(later) if later else 0.0
    return [_point(jobs, below, typical_s) for below in _thresholds(jobs, threshold)]


def _thresholds(jobs: Sequence[CascadeJob], threshold: float) -> list[float]:
    """Return the thresholds of the curve: of confidences as many as are drawn, and the one in force."""
    seen = sorted({c for job in jobs if (c := job.steps[0].confidence) is not None})
    if len(seen) > MOST_POINTS:
        seen = [seen[round(at * (len(seen) - 1) / (MOST_POINTS - 1))] for at in range(MOST_POINTS)]
    return sorted({*seen, threshold})


def _point(jobs: Sequence[CascadeJob], below: float, typical_s: float) -> ThresholdFigures:
    on = [job for job in jobs if (c := job.steps[0].confidence) is None or c < below]
    cost_s = sum(job.steps[0].device_s or 0.0 for job in jobs)
    cost_s += sum(_later_s(job) if job.went_on else typical_s for job in on)
    rights = [_right(job, below) for job in jobs if job.truth is not None]
    return ThresholdFigures(
        below,
        len(on) / len(jobs),
        cost_s / len(jobs),
        _part([right is True for right in rights]),
        _part([right is not False for right in rights]),
    )


def _right(job: CascadeJob, below: float) -> bool | None:
    """Return whether a job would be right under a threshold; None where that is not known."""
    confidence = job.steps[0].confidence
    goes_on = confidence is None or confidence < below
    if goes_on and (not job.went_on or job.is_degraded):
        return None
    label = job.last if goes_on else job.first
    return None if label is None else label == job.truth


def _device_s(job: CascadeJob) -> float:
    return sum(step.device_s or 0.0 for step in job.steps)


def _later_s(job: CascadeJob) -> float:
    return sum(step.device_s or 0.0 for step in job.steps[1:])


def _part(flags: Sequence[bool]) -> float | None:
    return sum(flags) / len(flags) if flags else None
