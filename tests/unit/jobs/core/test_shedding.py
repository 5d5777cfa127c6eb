"""Admission under load, driven by hand: a model of 40 ms and 1 ms an item, 50 ms for a full batch of ten."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.core.batching.sealed_batch import BatchLimits
from jobs.core.shedding import Admit, Backlog, Drain, Refuse, Shedder, estimate

GOAL_S = 0.5


@dataclass
class Known:
    weight: float = 30.0

    def seconds(self, padded_size: float) -> float:
        return 0.04 + 0.001 * padded_size


DRAIN = Drain(Known(), BatchLimits(max_batch=10))
RUNNING = {"sealed": 1, "sealed_size": 10}


def backlog(waiting: int, *, each: int = 1, sealed: int = 1) -> Backlog:
    return Backlog(waiting, waiting * each, sealed, sealed * 10)


def standing() -> Shedder:
    """A shedder that has seen a queue of three batches for longer than the goal."""
    shedder = Shedder(GOAL_S)
    shedder.decide(0.0, backlog(0), DRAIN)
    shedder.decide(0.1, backlog(30), DRAIN)
    return shedder


def test_an_idle_lane_answers_after_one_run_of_what_is_there() -> None:
    found = estimate(Backlog(), DRAIN)
    assert (found.wait_s, found.answer_s) == pytest.approx((0.0, 0.041))


def test_every_full_batch_ahead_adds_its_run() -> None:
    waits_s = [estimate(backlog(waiting), DRAIN).wait_s for waiting in (0, 9, 10, 25)]
    assert waits_s == pytest.approx([0.05, 0.05, 0.1, 0.15])


def test_the_answer_counts_the_items_that_wait_for_the_same_batch_and_the_overhead() -> None:
    drain = Drain(Known(), BatchLimits(max_batch=10), overhead_s=0.008)
    assert estimate(backlog(24), drain).answer_s == pytest.approx(0.15 + 0.045 + 0.008)


def test_lanes_share_the_backlog_and_a_free_one_takes_a_job_at_once() -> None:
    drain = Drain(Known(), BatchLimits(max_batch=10), lanes=2)
    assert estimate(backlog(0, sealed=1), drain).wait_s == 0.0
    assert estimate(backlog(20, sealed=2), drain).wait_s == pytest.approx(0.075)


def test_a_padded_limit_makes_batches_of_long_items_smaller() -> None:
    drain = Drain(Known(), BatchLimits(max_batch=10, max_padded_size=200, padded=True))
    found = estimate(backlog(4, each=100), drain)
    assert found.batch_s == pytest.approx(0.24)
    assert found.wait_s == pytest.approx(0.05 + 2 * 0.24)


def test_a_job_past_the_goal_is_refused_until_the_backlog_has_drained_that_much() -> None:
    answer = Shedder(GOAL_S).decide(0.0, backlog(100), DRAIN)
    assert isinstance(answer, Refuse)
    assert answer.allowed_s == GOAL_S
    assert answer.retry_after_s == pytest.approx(0.55 + 0.041 - GOAL_S)


def test_a_refused_job_is_told_to_wait_a_batch_at_the_least() -> None:
    answer = Shedder(GOAL_S).decide(0.0, backlog(80 + 10), DRAIN)
    assert isinstance(answer, Refuse)
    assert answer.retry_after_s >= 0.05


def test_a_job_is_refused_where_its_own_deadline_would_pass_even_without_a_goal() -> None:
    shedder = Shedder(0.0)
    assert isinstance(shedder.decide(0.0, backlog(20), DRAIN, deadline_in_s=0.1), Refuse)
    assert isinstance(shedder.decide(0.0, backlog(20), DRAIN, deadline_in_s=0.2), Admit)
    assert isinstance(shedder.decide(0.0, backlog(10**6), DRAIN), Admit)


def test_a_burst_is_taken_as_long_as_the_goal_allows() -> None:
    shedder = Shedder(GOAL_S)
    assert isinstance(shedder.decide(0.0, backlog(0), DRAIN), Admit)
    assert isinstance(shedder.decide(0.1, backlog(75), DRAIN), Admit)


def test_a_queue_that_stands_is_held_where_batches_are_full_already() -> None:
    shedder = standing()
    assert isinstance(shedder.decide(0.3, backlog(30), DRAIN), Admit)
    assert isinstance(shedder.decide(0.6, backlog(30), DRAIN), Refuse)
    assert isinstance(shedder.decide(0.6, backlog(19), DRAIN), Admit)


def test_a_queue_that_went_down_does_not_stand_any_more() -> None:
    shedder = standing()
    assert isinstance(shedder.decide(0.6, backlog(30), DRAIN), Refuse)
    shedder.decide(0.7, backlog(2), DRAIN)
    assert isinstance(shedder.decide(0.8, backlog(30), DRAIN), Admit)


def test_batches_that_are_claimed_and_wait_belong_to_the_queue() -> None:
    shedder = standing()
    shedder.decide(0.5, backlog(0, sealed=2), DRAIN)
    assert isinstance(shedder.decide(0.6, backlog(30), DRAIN), Refuse)


def test_a_goal_that_an_idle_device_misses_leaves_it_not_idle() -> None:
    shedder = Shedder(0.001)
    assert isinstance(shedder.decide(0.0, Backlog(), DRAIN), Admit)
    assert isinstance(shedder.decide(0.0, backlog(0), DRAIN), Refuse)


def test_nobody_is_refused_before_the_service_time_is_known() -> None:
    drain = Drain(Known(weight=2.0), BatchLimits(max_batch=10))
    assert isinstance(Shedder(GOAL_S).decide(0.0, backlog(10_000), drain), Admit)


@given(
    waiting=st.integers(0, 200),
    sealed=st.integers(0, 20),
    lanes=st.integers(1, 8),
    each=st.integers(1, 50),
    bound=st.sampled_from([0, 100, 1000]),
)
def test_more_in_front_never_means_an_earlier_start(
    waiting: int, sealed: int, lanes: int, each: int, bound: int
) -> None:
    drain = Drain(Known(), BatchLimits(max_batch=10, max_padded_size=bound, padded=True), lanes)
    here = estimate(Backlog(waiting, waiting * each, sealed, sealed * 10 * each), drain)
    after = estimate(Backlog(waiting + 1, (waiting + 1) * each, sealed, sealed * 10 * each), drain)
    assert 0.0 <= here.wait_s <= after.wait_s + 1e-9
    assert here.answer_s > here.wait_s


@given(waiting=st.integers(0, 500), goal_s=st.floats(0.1, 2.0))
def test_what_is_refused_now_is_taken_once_it_waited_as_told(waiting: int, goal_s: float) -> None:
    answer = Shedder(goal_s).decide(0.0, backlog(waiting), DRAIN)
    if isinstance(answer, Refuse):
        drained = int(answer.retry_after_s / answer.estimate.batch_s + 1) * 10
        assert isinstance(Shedder(goal_s).decide(0.0, backlog(max(0, waiting - drained)), DRAIN), Admit)
