"""When a run may be believed, and what its goals are held against."""

from __future__ import annotations

import pytest

from jobs.core.loadtest.load_verdict import distrust, goal_result, verdict_of
from jobs.core.loadtest.load_words import LoadGoal
from tests.unit.jobs.core.loadtest.reports import sums

GOOD = sums(intended=100, sent=100, accepted=100, succeeded=100)
LATENCIES_S = [number / 1e3 for number in range(1, 101)]


def test_a_run_on_time_whose_sums_close_is_believed() -> None:
    assert distrust(GOOD, 9.9, 1) == []


@pytest.mark.parametrize(
    ("counts", "late_ms", "unmeasured", "reason"),
    [
        (sums(intended=100, sent=98, not_sent=2, accepted=98, succeeded=98), 1.0, 0, "98 % of the jobs"),
        (GOOD, 10.1, 0, "late by 10.1 ms"),
        (GOOD, 1.0, 2, "nobody saw the end"),
        (sums(intended=100, sent=100, accepted=100, succeeded=99), 1.0, 0, "do not close"),
        (sums(intended=100, sent=99, accepted=99, succeeded=99), 1.0, 0, "do not close"),
        (sums(intended=100, sent=100, accepted=99, succeeded=99), 1.0, 0, "do not close"),
    ],
)
def test_any_other_run_is_invalid_and_says_why(
    counts: object, late_ms: float, unmeasured: int, reason: str
) -> None:
    reasons = distrust(counts, late_ms, unmeasured)  # type: ignore[arg-type]
    assert reason in reasons[0]
    assert verdict_of(reasons, [], measured=99)[0] == "invalid"


def test_a_percentile_is_held_against_its_limit() -> None:
    met, missed = (goal_result(LoadGoal(95.0, limit), LATENCIES_S, 0) for limit in (0.095, 0.0949))
    assert (met.seen_ms, met.met, missed.met) == (95.0, True, False)
    assert verdict_of([], [met], measured=99) == ("good", [])
    assert verdict_of([], [met, missed], measured=99)[0] == "missed"


def test_a_run_in_which_nothing_succeeds_is_not_good() -> None:
    missed = goal_result(LoadGoal(95.0, 1.0), [], lost=100)
    assert verdict_of([], [], measured=0)[0] == "invalid"
    assert verdict_of([], [missed], measured=0)[0] == "missed"


def test_a_job_that_did_not_succeed_is_slower_than_any_other() -> None:
    assert goal_result(LoadGoal(95.0, 10.0), LATENCIES_S, lost=5).seen_ms == 100.0
    assert goal_result(LoadGoal(95.0, 10.0), LATENCIES_S, lost=6).met is False
