"""The decision after a failed attempt: never beyond the cap or the deadline, and always with a reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from jobs.core.failures import FailureKind
from jobs.core.retry.policy import Attempt, Bury, RetryAfter, decide, longest_s
from models_registry.core.options import KindRule, KindRules, RetryOptions, RetryRule

CHANCE = st.floats(0, 1, exclude_max=True)
NEVER = {FailureKind.INVALID, FailureKind.POISON, FailureKind.REFUSED}
AGAIN = sorted(set(FailureKind) - NEVER)
RULE = {"attempts": st.none() | st.integers(1, 200), "base_s": st.floats(0, 10), "cap_s": st.floats(0, 3600)}
KIND_RULES = st.builds(KindRule, **{name: st.just(UNSET) | values for name, values in RULE.items()})
KINDS = st.builds(KindRules, **dict.fromkeys(KindRules.__struct_fields__, KIND_RULES))
POLICIES = st.builds(RetryOptions, kinds=KINDS, **RULE)
ATTEMPTS = st.builds(
    Attempt,
    st.integers(1, 200),
    st.integers(1, 200),
    st.none() | st.floats(-100, 10_000),
    st.floats(0, 1_000),
)


@given(st.sampled_from(sorted(FailureKind)), ATTEMPTS, POLICIES, CHANCE)
def test_a_retry_keeps_within_cap_base_attempts_and_deadline(
    kind: FailureKind, attempt: Attempt, policy: RetryOptions, chance: float
) -> None:
    after, rule = decide(kind, attempt, policy=policy, chance=chance), policy.rule_for(kind)
    if isinstance(after, Bury):
        assert after.reason
        return
    assert kind not in NEVER
    assert 0 <= after.delay_s <= min(rule.cap_s, rule.base_s * 2.0 ** min(attempt.number - 1, 40))
    assert attempt.number < attempt.most
    assert rule.attempts is None or attempt.number < rule.attempts
    assert attempt.left_s is None or after.delay_s + attempt.needs_s <= attempt.left_s + 1e-6


@given(st.sampled_from(AGAIN), st.integers(1, 100), st.floats(0.001, 1_000), st.floats(0, 1_000), CHANCE)
def test_a_retry_follows_while_attempts_and_time_remain(
    kind: FailureKind, number: int, room_s: float, needs_s: float, chance: float
) -> None:
    attempt = Attempt(number, number + 1, needs_s + room_s, needs_s)
    assert isinstance(decide(kind, attempt, policy=RetryOptions(), chance=chance), RetryAfter)


def test_the_range_doubles_with_each_attempt_up_to_the_cap() -> None:
    rule = RetryRule(base_s=1, cap_s=5)
    assert [longest_s(rule, attempts) for attempts in (1, 2, 3, 4, 500)] == [1, 2, 4, 5, 5]


def test_a_delay_is_drawn_from_the_whole_range() -> None:
    policy = RetryOptions(base_s=4)
    delays = [decide(FailureKind.TRANSIENT, Attempt(1, 3), policy=policy, chance=c) for c in (0, 0.25, 0.75)]
    assert delays == [RetryAfter(0), RetryAfter(1), RetryAfter(3)]


def test_near_the_deadline_the_range_ends_where_the_run_must_begin() -> None:
    policy, attempt = RetryOptions(base_s=60), Attempt(1, 3, left_s=5.0, needs_s=1.0)
    assert decide(FailureKind.TRANSIENT, attempt, policy=policy, chance=0.5) == RetryAfter(2.0)


@pytest.mark.parametrize(("left_s", "shown"), [(2.0, "2.000"), (0.5, "0.500"), (-7.0, "0.000")])
def test_a_retry_that_cannot_end_before_the_deadline_is_not_scheduled(left_s: float, shown: str) -> None:
    attempt = Attempt(1, 3, left_s=left_s, needs_s=2.0)
    assert decide(FailureKind.TRANSIENT, attempt, policy=RetryOptions(), chance=0) == Bury(
        f"the deadline leaves no time for another attempt: {shown} s are left and about 2.000 s are needed"
    )


@pytest.mark.parametrize("kind", AGAIN)
def test_a_failure_that_may_pass_is_retried_until_the_last_attempt(kind: FailureKind) -> None:
    made = [decide(kind, Attempt(n, 3), policy=RetryOptions(), chance=0.5) for n in (1, 2, 3, 4)]
    assert [type(decision) for decision in made] == [RetryAfter, RetryAfter, Bury, Bury]
    assert made[2] == Bury("attempt 3 of 3 was the last", exhausted=True)


@pytest.mark.parametrize("kind", sorted(NEVER))
def test_a_failure_that_cannot_pass_is_buried_at_once(kind: FailureKind) -> None:
    decision = decide(kind, Attempt(1, 9), policy=RetryOptions(), chance=0)
    assert decision == Bury(f"a failure of kind {kind} is not retried")


def test_a_kind_s_own_cap_ends_the_retries_sooner_with_that_reason() -> None:
    policy = RetryOptions(kinds=KindRules(internal=KindRule(attempts=1), resource=KindRule(attempts=9)))
    assert decide(FailureKind.INTERNAL, Attempt(1, 3), policy=policy, chance=0) == Bury(
        "attempt 1 of 1 for a failure of kind internal was the last", exhausted=True
    )
    assert decide(FailureKind.TRANSIENT, Attempt(1, 3), policy=policy, chance=0) == RetryAfter(0)
    assert isinstance(decide(FailureKind.RESOURCE, Attempt(3, 3), policy=policy, chance=0), Bury)
