from __future__ import annotations

from uuid import UUID

import pytest

from jobs.core.cascades.cascade_report import CascadeJob, SeenStep, cascade_report
from jobs.core.cascades.step_ends import StepEnd


def job(
    number: int, confidence: float | None, first: str, last: str | None = None, *, truth: str | None = "a",
    end: StepEnd = StepEnd.ENOUGH,
) -> CascadeJob:  # fmt: skip
    why = StepEnd.ENOUGH if last is None else StepEnd.BELOW
    steps = [SeenStep("m:light", why, confidence, device_s=0.01)]
    if last is not None:
        steps.append(SeenStep("m:heavy", end, device_s=0.1))
    return CascadeJob(UUID(int=number), tuple(steps), first, last or first, truth)


JOBS = [job(1, 0.9, "a"), job(2, 0.8, "b"), job(3, 0.6, "b", "a"), job(4, 0.2, "a", "a")]


def test_costs_and_accuracies_are_of_the_jobs() -> None:
    report = cascade_report(JOBS, threshold=0.7)
    assert (report.jobs, report.escalated, report.escalated_share, report.degraded) == (4, 2, 0.5, 0)
    assert report.device_s_per_job == pytest.approx((4 * 0.01 + 2 * 0.1) / 4)
    assert (report.first_accuracy, report.last_accuracy, report.changed_share) == (0.5, 0.75, 0.5)
    assert [(step.version, step.jobs) for step in report.steps] == [("m:light", 4), ("m:heavy", 2)]


def test_below_the_threshold_in_force_every_answer_is_known_and_above_it_bounds() -> None:
    curve = {point.below: point for point in cascade_report(JOBS, threshold=0.7).curve}
    assert [*curve] == [0.2, 0.6, 0.7, 0.8, 0.9]
    assert (curve[0.2].escalated_share, curve[0.2].accuracy_low, curve[0.2].accuracy_high) == (0, 0.5, 0.5)
    assert (curve[0.6].escalated_share, curve[0.6].accuracy_low) == (0.25, 0.5)
    assert (curve[0.7].escalated_share, curve[0.7].accuracy_low, curve[0.7].accuracy_high) == (
        0.5,
        0.75,
        0.75,
    )
    assert (curve[0.9].accuracy_low, curve[0.9].accuracy_high) == (0.75, 1.0), "job 2 may be right then"
    assert curve[0.9].device_s_per_job == pytest.approx((4 * 0.01 + 3 * 0.1) / 4)


def test_a_degraded_job_says_nothing_of_the_later_step() -> None:
    fallen = job(5, 0.1, "a", "a", end=StepEnd.FAILED)
    report = cascade_report([fallen], threshold=0.7)
    assert report.degraded == 1
    (at, in_force) = report.curve
    assert (at.accuracy_low, at.accuracy_high) == (1.0, 1.0)
    assert (in_force.accuracy_low, in_force.accuracy_high) == (0.0, 1.0)


def test_without_a_confidence_a_job_goes_on_at_every_threshold() -> None:
    unsure = CascadeJob(
        UUID(int=1),
        (SeenStep("m:light", StepEnd.NO_CONFIDENCE), SeenStep("m:heavy", StepEnd.ENOUGH)),
        "a",
        "b",
    )
    report = cascade_report([unsure, job(2, 0.5, "a")], threshold=0.3)
    assert [point.escalated_share for point in report.curve] == [0.5, 0.5]


def test_without_jobs_or_labels_nothing_is_known() -> None:
    empty = cascade_report([], threshold=0.7)
    assert (empty.jobs, empty.escalated_share, empty.device_s_per_job, empty.curve) == (0, None, None, [])
    unrated = cascade_report([job(1, 0.9, "a", truth=None)], threshold=0.7)
    assert (unrated.labelled, unrated.last_accuracy, unrated.curve[0].accuracy_low) == (0, None, None)


def test_a_curve_has_no_more_points_than_can_be_drawn() -> None:
    many = [job(number, number / 5_000, "a") for number in range(5_000)]
    curve = cascade_report(many, threshold=0.5).curve
    assert 101 <= len(curve) <= 102
    assert (curve[0].below, curve[-1].below) == (0.0, 4_999 / 5_000)


def test_what_another_threshold_would_do_is_not_known_of_hidden_confidences() -> None:
    hidden = [job(1, None, "a"), job(2, None, "a", "b")]
    report = cascade_report(hidden, threshold=0.3)
    assert (report.escalated_share, report.curve) == (0.5, [])
    mixed = cascade_report([*hidden, job(3, 0.5, "a")], threshold=0.3)
    assert [(point.below, point.escalated_share) for point in mixed.curve] == [(0.3, 0), (0.5, 0)]
