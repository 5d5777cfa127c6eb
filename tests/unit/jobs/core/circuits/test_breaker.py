"""A breaker opens when a version causes most failures, or when every job ends dead, and gives the reason."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jobs.core.circuits.breaker import BLAMED, Breaker, Tally, tally_of
from jobs.core.failures import Failure, FailureKind, Outcome, Success
from jobs.core.states import State
from models_registry.core.options import BreakerOptions

OPTIONS = BreakerOptions(window_s=30.0, least=20, share=0.5, dead=10)
TALLIES = st.builds(Tally, *[st.integers(0, 8)] * 3)
STEPS = st.lists(st.tuples(st.floats(0.0, 20.0), TALLIES), max_size=60)


def failure(kind: FailureKind) -> Failure:
    return Failure(kind, "a_code", "a message")


def test_a_failing_majority_opens_the_circuit() -> None:
    breaker = Breaker(OPTIONS)
    assert breaker.observe(0.0, Tally(succeeded=9, blamed=10)) is None
    assert breaker.observe(1.0, Tally(blamed=1)) == "11 of 20 attempts in 30 s failed, more than 50%."


def test_dead_jobs_open_the_circuit_for_any_cause() -> None:
    reason = Breaker(OPTIONS).observe(0.0, Tally(dead=10))
    assert reason == "Every job fails: 10 ended dead in 30 s and none succeeded."
    assert Breaker(OPTIONS).observe(0.0, Tally(succeeded=1, dead=1_000)) is None


def test_a_client_s_bad_input_is_no_failure_of_the_model() -> None:
    assert FailureKind.INVALID not in BLAMED
    outcomes: list[Outcome] = [Success(b"1"), *map(failure, FailureKind)]
    tally = tally_of(outcomes, [State.SUCCEEDED, State.DEAD, State.WAITING])
    assert tally == Tally(succeeded=1, blamed=len(FailureKind) - 2, dead=1)


def test_verdicts_older_than_the_window_are_forgotten() -> None:
    breaker = Breaker(OPTIONS)
    assert breaker.observe(0.0, Tally(blamed=19)) is None
    assert breaker.observe(30.0, Tally(blamed=19)) is None
    assert breaker.observe(31.0, Tally(blamed=1)) is not None


def test_counting_restarts_after_an_opening() -> None:
    breaker = Breaker(OPTIONS)
    assert breaker.observe(0.0, Tally(blamed=20)) is not None
    assert breaker.observe(0.1, Tally(blamed=19)) is None


def test_a_disabled_breaker_never_opens() -> None:
    assert Breaker(BreakerOptions(enabled=False)).observe(0.0, Tally(blamed=10_000, dead=10_000)) is None


@given(STEPS)
def test_a_breaker_never_opens_below_its_counts(steps: list[tuple[float, Tally]]) -> None:
    breaker, now, seen = Breaker(OPTIONS), 0.0, list[tuple[float, Tally]]()
    for gap_s, tally in steps:
        now += gap_s
        seen.append((now, tally))
        # Verdicts are kept in parts of the window, so the oldest may be a part older.
        recent = [past for at, past in seen if at > now - OPTIONS.window_s - OPTIONS.window_s / 30]
        judged = sum(past.succeeded + past.blamed for past in recent)
        if breaker.observe(now, tally) is not None:
            assert judged >= OPTIONS.least or sum(past.dead for past in recent) >= OPTIONS.dead
            seen.clear()


@given(STEPS)
def test_a_breaker_always_opens_when_all_jobs_fail(steps: list[tuple[float, Tally]]) -> None:
    breaker, now, failed = Breaker(OPTIONS), 0.0, 0
    for _, tally in steps:
        now += 0.01
        failed += tally.blamed
        reason = breaker.observe(now, Tally(blamed=tally.blamed))
        assert (reason is not None) == (failed >= OPTIONS.least)
        failed = 0 if reason else failed
