from __future__ import annotations

import msgspec
import pytest

from jobs.core.cascades.mark import is_marked, marked, open_digest, without_mark
from jobs.core.cascades.step_ends import (
    CascadeState,
    Hindrance,
    StepEnd,
    ended_step,
    failed_step,
    hindered,
    judged_output,
)
from jobs.core.payloads.stored_output import stored_output
from models_registry.core.output import Output
from models_registry.core.routing.cascade_plan import Check, PlannedStep

PLAN = (
    PlannedStep("m:light", 1, (Check("/c", 0.7, 1, degrades=True),)),
    PlannedStep("n:heavy", 2),
)
FIRST = CascadeState(9, PLAN, 0)


def after(output: object, state: CascadeState = FIRST) -> tuple[StepEnd, int, float | None]:
    step = ended_step(state, judged_output(state, stored_output(output)))
    return step.why, step.goto, step.confidence


def test_a_step_ends_by_what_its_answer_says() -> None:
    assert after({"c": 0.7}) == (StepEnd.ENOUGH, 0, 0.7)
    assert after({"c": 0.69}) == (StepEnd.BELOW, 2, 0.69)
    assert after({}) == (StepEnd.NO_CONFIDENCE, 2, None)
    assert after({"c": 0.1}, CascadeState(9, PLAN, 1, 1, degrades=True)) == (StepEnd.ENOUGH, 0, None)


def test_an_output_of_bytes_has_no_confidence() -> None:
    assert after(Output(b"\x00", "application/octet-stream")) == (StepEnd.NO_CONFIDENCE, 2, None)


def test_a_hindered_answer_stands_where_the_cascade_says_so_or_by_a_switch() -> None:
    step = ended_step(FIRST, judged_output(FIRST, b'{"c":0.1}'))
    strict = msgspec.structs.replace(step, degrades=False)
    assert hindered(step, Hindrance.CIRCUIT).degraded
    assert not hindered(strict, Hindrance.CIRCUIT).degraded
    assert hindered(strict, Hindrance.SWITCHED_OFF).degraded
    assert hindered(step, Hindrance.NO_TIME).goto == 0


@pytest.mark.parametrize("degrades", [True, False])
def test_a_failed_step_falls_back_where_the_step_before_may_stand(degrades: bool) -> None:  # noqa: FBT001  # a case
    step = failed_step(CascadeState(9, PLAN, 1, 1, degrades=degrades))
    assert (step.number, step.why, step.falls_back) == (2, StepEnd.FAILED, degrades)


def test_the_mark_stands_above_the_digest() -> None:
    for digest in (0, 1, 2**28 - 1):
        assert is_marked(marked(digest))
        assert not is_marked(digest)
        assert without_mark(marked(digest)) == digest
        assert marked(digest) < 2**31
    assert open_digest(None) == 0
    assert open_digest(b'{"a":1}') == int("bb6cb5c68df4652941caf652a366f2d8"[:7], 16)
