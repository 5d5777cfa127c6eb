import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.core.failures import FailureKind
from jobs.core.retry import Backoff, DeadLetter, RetryAfter, decide

CHANCE = st.floats(0, 1, exclude_max=True)
NEVER = {FailureKind.INVALID, FailureKind.POISON, FailureKind.REFUSED}


@given(st.integers(1, 10_000), CHANCE, st.floats(0.01, 10), st.floats(1, 3600))
def test_a_delay_lies_between_nothing_and_its_cap(
    attempts: int, chance: float, base_s: float, cap_s: float
) -> None:
    delay_s = Backoff(base_s=base_s, cap_s=cap_s).delay_s(attempts, chance)
    assert 0 <= delay_s <= min(cap_s, base_s * 2.0 ** min(attempts - 1, 40))


def test_the_range_doubles_with_each_attempt_up_to_the_cap() -> None:
    backoff = Backoff(base_s=1, cap_s=5)
    assert [backoff.delay_s(attempts, 0.5) for attempts in (1, 2, 3, 4, 5)] == [0.5, 1, 2, 2.5, 2.5]


@pytest.mark.parametrize("kind", sorted(set(FailureKind) - NEVER))
def test_a_failure_that_may_pass_is_retried_until_the_last_attempt(kind: FailureKind) -> None:
    made = [decide(kind, attempts=n, max_attempts=3, backoff=Backoff(), chance=0.5) for n in (1, 2, 3, 4)]
    assert [type(decision) for decision in made] == [RetryAfter, RetryAfter, DeadLetter, DeadLetter]


@pytest.mark.parametrize("kind", sorted(NEVER))
def test_a_failure_that_cannot_pass_is_buried_at_once(kind: FailureKind) -> None:
    decision = decide(kind, attempts=1, max_attempts=9, backoff=Backoff(), chance=0)
    assert decision == DeadLetter(f"a failure of kind {kind} is not retried")
