"""When a device of several lanes is free for another batch."""

from __future__ import annotations

import pytest

from jobs.core.batching.lane_choice import Lane
from jobs.core.batching.lanes import Lanes


def test_an_idle_lane_is_free_now() -> None:
    assert Lanes(2).free_at(10.0) == 10.0


def test_a_busy_device_is_free_when_its_first_lane_ends() -> None:
    lanes = Lanes(2)
    for lane, seconds in enumerate((3.0, 5.0)):
        lanes.promise(seconds)
        lanes.start(lane, 10.0, seconds)
    assert lanes.free_at(11.0) == 13.0
    lanes.end(1)
    assert lanes.free_at(11.0) == 11.0


def test_sealed_batches_come_before_open_ones() -> None:
    lanes = Lanes(1)
    lanes.promise(3.0)
    lanes.start(0, 10.0, 3.0)
    lanes.promise(2.0)
    assert lanes.free_at(11.0) == 15.0
    lanes.withdraw()
    assert lanes.free_at(11.0) == 13.0


def test_a_run_that_takes_longer_than_predicted_may_end_at_any_moment() -> None:
    lanes = Lanes(1)
    lanes.promise(1.0)
    lanes.start(0, 10.0, 1.0)
    assert lanes.free_at(15.0) == 15.0


@pytest.mark.parametrize("count", [2, 3, 4])
def test_slow_batches_hold_all_lanes_but_one_whether_they_run_or_wait(count: int) -> None:
    lanes = Lanes(count)
    for lane in range(count - 1):
        assert lanes.takes_slow
        lanes.promise(5.0, slow=True)
        if lane:
            lanes.start(lane, 10.0, 5.0)
    assert not lanes.takes_slow
    lanes.withdraw()
    assert lanes.takes_slow


def test_the_end_of_a_slow_batch_makes_room_for_the_next() -> None:
    lanes = Lanes(2)
    lanes.promise(5.0, slow=True)
    lanes.start(0, 10.0, 5.0)
    lanes.promise(0.1)
    lanes.start(1, 10.0, 0.1)
    lanes.end(1)
    assert not lanes.takes_slow
    lanes.end(0)
    assert lanes.takes_slow


@pytest.mark.parametrize(("count", "worker"), [(1, Lane.AUTO), (1, Lane.FAST), (3, Lane.SLOW)])
def test_a_single_lane_and_a_worker_for_slow_jobs_take_any_number(count: int, worker: Lane) -> None:
    lanes = Lanes(count, worker=worker)
    for _ in range(count + 1):
        lanes.promise(5.0, slow=True)
    assert lanes.takes_slow
