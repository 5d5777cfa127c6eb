"""The test of live latency: bounds from the past of both arms, and batches that wait for the other arm's."""

from __future__ import annotations

import random
from math import exp

import pytest

from models_registry.core.rollouts.statistics.latency_test import (
    LEAST_RECENT,
    RECENT,
    LatencyTest,
    with_latencies,
    without_open,
)


def after(factor: float, looks: int, *, seed: int = 1, wave: float = 0.0) -> LatencyTest:
    draw = random.Random(seed)
    test = LatencyTest()
    for look in range(looks):
        load = 1.0 + wave * (look // 50 % 2)
        ours, theirs = (tuple(load * exp(0.5 * draw.gauss(0, 1)) for _ in range(2)) for _ in range(2))
        test = with_latencies(test, tuple(factor * s for s in ours), theirs)
    return test


def test_a_slower_candidate_is_found_and_an_equal_one_is_not_even_when_the_load_changes() -> None:
    slower = after(1.5, 300)
    assert slower.e >= 1_000
    assert slower.harm > 0.1
    assert all(after(1.0, 300, seed=seed, wave=9.0).e < 1_000 for seed in range(10))


def test_a_faster_candidate_is_never_held_against() -> None:
    faster = after(0.5, 300)
    assert faster.e < 1.0
    assert faster.harm < 0.0


def test_nothing_is_judged_before_there_is_a_past_to_take_bounds_from() -> None:
    test = with_latencies(LatencyTest(), (99.0,) * (LEAST_RECENT - 1), (0.1,))
    assert [test.e, test.batches_ours] == pytest.approx([1.0, 0.0])
    assert len(test.recent_s) == LEAST_RECENT
    assert with_latencies(test, (99.0,), (0.1,)).batches_ours == 1


def test_batches_of_one_arm_wait_for_the_other_s() -> None:
    test = with_latencies(LatencyTest(), (1.0, 2.0), ())
    assert (test.open_ours_s, test.recent_s) == ((1.0, 2.0), ())
    both = with_latencies(test, (), (3.0,))
    assert (both.open_ours_s, both.recent_s) == ((), (1.0, 2.0, 3.0))
    assert without_open(test) == LatencyTest()


def test_what_waits_and_what_is_remembered_is_bounded() -> None:
    test = LatencyTest()
    for _ in range(100):
        test = with_latencies(test, (1.0,) * 10, ())
        assert len(test.open_ours_s) <= 256
    assert len(after(1.0, 300).recent_s) == RECENT


def test_stored_latencies_have_four_digits() -> None:
    assert with_latencies(LatencyTest(), (0.123456789,), (12345.6,)).recent_s == (0.1235, 12350.0)


def test_two_arms_that_never_overlap_are_told_apart() -> None:
    test = LatencyTest()
    for _ in range(3):
        test = with_latencies(test, (3.0,) * 10, (1.0,) * 10)
    assert test.e > 1_000
