"""The curve is drawn for each report that stored confidences make."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

import pytest

from jobs.core.cascades.cascade_report import CascadeJob, SeenStep, cascade_report
from jobs.core.cascades.step_ends import StepEnd
from jobs.services.rollouts.cascades.threshold_picture import curve_picture
from models_registry.core.routing.cascade import Escalate, escalation


def job(number: int, confidence: float) -> CascadeJob:
    """Return a job whose first answer has this confidence, as a worker reads it."""
    _, seen = escalation(Escalate("/c", 0.5), {"c": confidence})
    why = StepEnd.NO_CONFIDENCE if seen is None else StepEnd.ENOUGH
    return CascadeJob(UUID(int=number), (SeenStep("m:light", why, seen, device_s=0.01),), "a", "a", "a")


@pytest.mark.parametrize("form", ["png", "svg"])
@pytest.mark.parametrize("confidence", [9.9e299, 1.7e308])
def test_the_largest_confidences_that_a_model_can_give_are_drawn(
    form: Literal["png", "svg"], confidence: float
) -> None:
    jobs = [job(1, -confidence), job(2, confidence), job(3, 0.7)]
    assert curve_picture(cascade_report(jobs, threshold=0.5), form)
