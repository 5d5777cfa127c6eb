"""When a device of several lanes is free for another batch."""

from __future__ import annotations

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
