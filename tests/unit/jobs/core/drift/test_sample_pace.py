"""Up to twenty samples a second, and a reader that rests for most of its time."""

from __future__ import annotations

import pytest

from jobs.core.drift.sample_pace import FIRST_S, SamplePace, may_read, rest_s


def test_twenty_a_second_are_taken_however_many_jobs_come() -> None:
    pace = SamplePace(0.0)
    taken = [pace.take(1_000, second / 10) for second in range(101)]
    assert taken[0] == 20
    assert sum(taken) == 20 + 200


def test_what_was_not_taken_is_not_saved_for_later() -> None:
    pace = SamplePace(0.0)
    assert pace.take(3, 0.0) == 3
    assert pace.take(1_000, 3_600.0) == 20


def test_slow_jobs_are_all_taken() -> None:
    pace = SamplePace(0.0)
    assert all(pace.take(1, float(second)) == 1 for second in range(100))


@pytest.mark.parametrize("spent_s", [0.0001, 0.02, 3.0])
def test_work_is_a_hundredth_of_the_time(spent_s: float) -> None:
    assert spent_s / (spent_s + rest_s(spent_s)) == pytest.approx(0.01)


def test_reading_takes_a_small_part_of_what_the_worker_takes() -> None:
    assert may_read(0.0, 0.0)
    assert not may_read(FIRST_S + 0.01, 0.0)
    assert may_read(0.014 * 1_000, 1_000.0)
    assert not may_read(0.016 * 1_000, 1_000.0)
