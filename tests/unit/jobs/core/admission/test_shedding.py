from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jobs.core.admission.queue_count import QueueCount
from jobs.core.admission.shedding import GOAL_FRACTION, ShedReason, WaitLimits, decide, expect

RATES = st.floats(0.01, 10_000.0)
PLACES = st.integers(0, 100_000)


@given(PLACES, RATES)
def test_without_goal_and_deadline_no_wait_is_too_long(position: int, per_s: float) -> None:
    expected = expect(position, QueueCount(per_s=per_s, answer_s=1.0))
    assert decide(expected, WaitLimits(1_000_000), waiting=position, per_s=per_s) is None


@given(PLACES, RATES, st.floats(0.1, 60.0))
def test_a_shed_job_fits_after_its_retry_after(position: int, per_s: float, goal_s: float) -> None:
    count = QueueCount(per_s=per_s, answer_s=0.05)
    expected, bounds = expect(position, count), WaitLimits(1_000_000, goal_s)
    shed = decide(expected, bounds, waiting=position, per_s=per_s)
    if shed is None:
        assert not position or (expected.eta_s or 0.0) <= goal_s * GOAL_FRACTION
    else:
        assert (shed.why, shed.retry_after_s >= 1) == (ShedReason.GOAL, True)
        later = max(0, int(position - shed.retry_after_s * per_s))
        assert (
            shed.retry_after_s == 3_600
            or decide(
                expect(later, QueueCount(per_s=per_s, answer_s=0.05)), bounds, waiting=position, per_s=per_s
            )
            is None
        )


@given(PLACES, PLACES, RATES)
def test_a_job_further_back_is_never_admitted_before_one_ahead(one: int, other: int, per_s: float) -> None:
    bounds = WaitLimits(50_000, 2.0, 5.0)
    count = QueueCount(per_s=per_s, answer_s=0.1)
    near, far = (
        decide(expect(place, count), bounds, waiting=place, per_s=per_s) is None
        for place in sorted((one, other))
    )
    assert near or not far


def test_a_rate_that_is_not_known_sheds_by_count_alone() -> None:
    bounds = WaitLimits(10, 0.1, 0.1)
    assert decide(expect(9, QueueCount(per_s=None, answer_s=0.0)), bounds, waiting=9, per_s=None) is None
    full = decide(expect(10, QueueCount(per_s=None, answer_s=0.0)), bounds, waiting=10, per_s=None)
    assert full is not None
    assert full.why is ShedReason.FULL
    assert full.expected.eta_s is None
