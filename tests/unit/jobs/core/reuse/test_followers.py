from dataclasses import replace
from typing import Any

import pytest

from jobs.core.failures import FailureKind
from jobs.core.retry.policy import TOO_LATE, Attempt, Bury, decide
from jobs.core.reuse.followers import FollowerFate, Leader, fate
from jobs.core.states import State
from models_registry.core.options import RetryOptions


def led_by(state: str, **columns: Any) -> FollowerFate:
    return fate(Leader(state, 3, **columns), max_attempts=3)


@pytest.mark.parametrize("state", [State.QUEUED, State.WAITING, State.RUNNING])
def test_while_the_leader_lives_its_followers_wait(state: State) -> None:
    assert led_by(state) is FollowerFate.WAIT


def test_a_result_settles_the_followers_and_without_one_a_follower_leads() -> None:
    assert led_by(State.SUCCEEDED, has_result=True) is FollowerFate.ANSWER
    assert led_by(State.SUCCEEDED) is FollowerFate.LEAD


@pytest.mark.parametrize("state", [State.CANCELLED, State.EXPIRED])
def test_an_end_of_the_leader_alone_ends_no_follower(state: State) -> None:
    assert led_by(state) is FollowerFate.LEAD


def test_without_the_leaders_row_another_leads() -> None:
    assert fate(None, max_attempts=3) is FollowerFate.LEAD


@pytest.mark.parametrize("kind", list(FailureKind))
def test_followers_die_of_their_leader_s_failure(kind: FailureKind) -> None:
    assert led_by(State.DEAD, kind=kind, reason="attempt 3 of 3 was the last") is FollowerFate.DIE


@pytest.mark.parametrize(
    ("kind", "becomes"),
    [
        (FailureKind.TRANSIENT, FollowerFate.LEAD),
        (FailureKind.CRASH, FollowerFate.LEAD),
        (FailureKind.INVALID, FollowerFate.DIE),
        (FailureKind.POISON, FollowerFate.DIE),
        (FailureKind.REFUSED, FollowerFate.DIE),
    ],
)
def test_a_follower_with_attempts_left_leads_unless_no_attempt_would_help(
    kind: FailureKind, becomes: FollowerFate
) -> None:
    assert fate(Leader(State.DEAD, 3, kind=kind, reason="x"), max_attempts=4) is becomes
    assert fate(Leader(State.DEAD, 3, kind=kind, reason="x"), max_attempts=2) is FollowerFate.DIE


def test_a_leader_that_died_of_its_own_deadline_ends_no_follower() -> None:
    decided = decide(
        FailureKind.TRANSIENT, Attempt(1, 3, left_s=1.0, needs_s=2.0), policy=RetryOptions(), chance=0.5
    )
    assert isinstance(decided, Bury)
    assert decided.reason.startswith(TOO_LATE)
    assert led_by(State.DEAD, kind=FailureKind.TRANSIENT, reason=decided.reason) is FollowerFate.LEAD


def test_a_dead_leader_without_a_dead_letter_ends_no_follower() -> None:
    assert led_by(State.DEAD) is FollowerFate.LEAD


@pytest.mark.parametrize(
    "leader",
    [
        Leader(State.SUCCEEDED, 3, has_result=True, hurried=True),
        Leader(State.DEAD, 3, kind=FailureKind.REFUSED, reason="x", hurried=True),
    ],
)
def test_what_a_leader_s_deadline_kept_from_it_followers_with_more_time_still_get(leader: Leader) -> None:
    assert fate(leader, max_attempts=3, has_more_time=True) is FollowerFate.LEAD
    shared = FollowerFate.ANSWER if leader.has_result else FollowerFate.DIE
    assert fate(leader, max_attempts=3, has_more_time=False) is shared
    own = replace(leader, hurried=False)
    assert fate(own, max_attempts=3, has_more_time=True) is shared
