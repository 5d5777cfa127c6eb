from __future__ import annotations

from random import Random
from statistics import median

import pytest

from jobs.core.front_door import expect
from jobs.core.reckoning import Reckoning, Standing


def counted(level: int = 4, jobs: int = 0, **said: float) -> Standing:
    waiting = tuple(jobs if priority == level else 0 for priority in range(10))
    return Standing(waiting, (10.0,) * 10, **said)


def test_the_highest_priority_is_taken_away_first() -> None:
    waiting = (5, 0, 0, 0, 0, 0, 0, 0, 0, 5)
    queue = Reckoning(Standing(waiting, per_s=2.0), 0.0)
    assert [queue.ahead(priority, 2.0) for priority in (9, 0)] == [1, 6]
    assert [queue.ahead(priority, 4.0) for priority in (9, 0)] == [0, 2]


def test_a_queue_that_ran_empty_owes_nothing_to_who_comes_then() -> None:
    queue = Reckoning(counted(jobs=10, per_s=100.0), 0.0)
    queue.add(4, 50, now=1.0)
    assert queue.ahead(4, 1.0) == 50


def test_each_job_stands_for_what_other_processes_admit() -> None:
    queue = Reckoning(counted(arriving_per_s=30.0), 0.0, own_per_s=10.0)
    queue.add(4, 10, now=0.5)
    assert queue.ahead(4, 0.5) == 30


def test_what_was_admitted_before_the_count_is_not_counted_twice() -> None:
    queue = Reckoning(counted(jobs=3), 5.0)
    queue.replay([(4.9, 4, 7), (5.1, 4, 2)])
    assert queue.ahead(4, 5.2) == 5


@pytest.mark.parametrize(("age_s", "ahead"), [(12.0, 0), (10.0, 0), (5.0, 50), (0.0, 100)])
def test_a_job_that_waits_is_behind_those_that_came_before_it(age_s: float, ahead: int) -> None:
    assert Reckoning(counted(jobs=100), 0.0).ahead_of(4, 0.0, age_s=age_s) == ahead


def test_the_estimate_is_calibrated_over_many_jobs() -> None:
    """A queue that is counted once a second and drained with jitter, through bursts."""
    chance, per_s, service_s = Random(7), 200.0, 0.05
    now, free_s, ratios = 0.0, 0.0, list[float]()
    ends: list[float] = []
    queue, counted_s = Reckoning(counted(per_s=per_s), 0.0), 0.0
    for _ in range(8_000):
        now += chance.expovariate(260.0 if int(now) % 10 < 5 else 120.0)
        if now - counted_s >= 1.0:
            counted_s = now
            queue = Reckoning(counted(jobs=sum(end > now for end in ends[-5_000:]), per_s=per_s), now)
        told = expect(queue.ahead(4, now), per_s=per_s, answer_s=service_s)
        queue.add(4, 1, now)
        free_s = max(free_s, now) + chance.uniform(0.5, 1.5) / per_s
        ends.append(free_s)
        assert told.eta_s is not None
        ratios.append(told.eta_s / (free_s - now + service_s))
    print(f"median {median(ratios):.2f}")
    assert 0.7 <= median(ratios) <= 1.4
