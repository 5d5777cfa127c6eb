"""The number goes up at once, down after a cooldown, to zero after the idle time, never below what runs."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.core.scaling.workers_wanted import COOLDOWN_S as DEFAULT_COOLDOWN_S
from jobs.core.scaling.workers_wanted import MOST_WORKERS, Demand, WorkersWanted, whole

PER_S, IDLE_S, COOLDOWN_S = 10.0, 60.0, 30.0


def demand(*, arrived: int = 0, waiting: int = 0, seconds: float = 1.0, **more: float | None) -> Demand:
    values: dict[str, Any] = {"worker_per_s": PER_S, "goal_s": 2.0, "start_s": 10.0, **more}
    return Demand(seconds=seconds, arrived=arrived, waiting=waiting, **values)


def new() -> WorkersWanted:
    return WorkersWanted(idle_s=IDLE_S, cooldown_s=COOLDOWN_S)


def loaded(seconds: int = 120, per_s: int = 45, live: int = 6) -> WorkersWanted:
    """Return one that has seen a steady load."""
    wanted = new()
    for _ in range(seconds):
        wanted.observe(demand(arrived=per_s, live=live))
    return wanted


def test_a_first_job_needs_one_worker_at_the_next_count() -> None:
    wanted = new()
    assert wanted.observe(demand()).workers == 0
    assert wanted.observe(demand(seconds=0.5, arrived=1, waiting=1, worker_per_s=None)).workers == 1


def test_a_model_that_shares_its_worker_needs_a_part_of_one() -> None:
    wanted = new()
    loads = [wanted.observe(demand(arrived=int(second % 10 == 0))).load for second in range(120)]
    assert 0.0 < loads[-1] < 0.3
    assert whole(loads[-1] + loads[-1]) == 1


def test_the_first_count_of_models_that_share_workers_needs_no_more_than_there_are() -> None:
    parts = [new().observe(demand(arrived=1, live=4, live_part=4 / 3)).load for _ in range(3)]
    assert whole(sum(parts)) == 4


def test_a_backlog_of_a_very_slow_model_is_a_number_that_a_column_holds() -> None:
    need = new().observe(demand(waiting=10_000_000, worker_per_s=1e-6))
    assert need.workers == MOST_WORKERS < 2**31


def test_more_arrivals_raise_it_within_seconds() -> None:
    wanted = loaded()
    before = wanted.observe(demand(arrived=45, live=6)).workers
    after = [wanted.observe(demand(arrived=135, live=6)).workers for _ in range(20)]
    assert before in {5, 6}
    assert after[5] > before
    assert after[-1] >= 2 * before


def test_a_burst_raises_it_and_nothing_is_taken_back_before_the_cooldown() -> None:
    """A short window sees the burst first; the middle one, by which it is lowered, sees less of it."""
    wanted, waiting = WorkersWanted(), 0
    slow: dict[str, Any] = {"worker_per_s": 1.0, "goal_s": 10.0, "start_s": 5.0}
    for _ in range(400):
        wanted.observe(demand(arrived=1, live=2, **slow))
    numbers = list[int]()
    for second in range(500):
        arrived = 60 if second < 6 else 1
        waiting = max(0, waiting + arrived - 2)
        numbers.append(wanted.observe(demand(arrived=arrived, waiting=waiting, live=2, **slow)).workers)
    highest = numbers.index(max(numbers))
    assert max(numbers) > 10
    assert numbers[: highest + 1] == sorted(numbers[: highest + 1])
    assert numbers[highest : highest + int(DEFAULT_COOLDOWN_S) - 1] == [max(numbers)] * (
        int(DEFAULT_COOLDOWN_S) - 1
    )
    assert numbers[highest:] == sorted(numbers[highest:], reverse=True)


def test_fewer_arrivals_lower_it_after_the_cooldown() -> None:
    wanted = loaded()
    numbers = [wanted.observe(demand(arrived=5, live=6)).workers for _ in range(200)]
    held = next(second for second, number in enumerate(numbers) if number < numbers[0])
    assert held >= COOLDOWN_S - 1
    assert numbers[-1] <= 2


def test_it_is_zero_after_the_idle_time_and_not_before() -> None:
    wanted = new()
    wanted.observe(demand(arrived=1, waiting=1))
    numbers = [wanted.observe(demand(live=1)).workers for _ in range(70)]
    assert numbers.index(0) == IDLE_S - 1


def test_what_runs_is_not_drained() -> None:
    wanted = loaded()
    numbers = [wanted.observe(demand(arrived=5, live=6, busy=4)).workers for _ in range(200)]
    assert numbers[-1] == 4
    idle = [wanted.observe(demand(live=1, busy=1)).workers for _ in range(200)]
    assert min(idle) >= 1, "a long batch runs, though no job comes"


def test_a_backlog_that_the_workers_finish_before_another_has_started_needs_no_more() -> None:
    wanted = loaded(per_s=10, live=4)
    few = wanted.observe(demand(arrived=10, waiting=200, live=4)).workers
    many = wanted.observe(demand(arrived=10, waiting=4_000, live=4)).workers
    assert few <= 4
    assert many > 6


def test_a_restart_of_the_surveyor_drains_nobody_before_a_cooldown() -> None:
    wanted = new()
    numbers = [wanted.observe(demand(arrived=5, live=6)).workers for _ in range(100)]
    assert numbers[: int(COOLDOWN_S) - 1] == [6] * (int(COOLDOWN_S) - 1)
    assert numbers[-1] < 6


def test_a_tighter_goal_needs_more_workers() -> None:
    loads = {}
    for goal_s in (0.2, 10.0):
        wanted = new()
        for _ in range(120):
            need = wanted.observe(demand(arrived=45, live=6, goal_s=goal_s))
        loads[goal_s] = need.load
    assert loads[0.2] > 1.2 * loads[10.0]


def test_arrivals_in_bursts_need_more_workers_than_steady_ones() -> None:
    loads = []
    for pause in (1, 20):
        wanted = new()
        for second in range(400):
            need = wanted.observe(demand(arrived=0 if second % pause else 20 * pause, live=6, goal_s=10.0))
        loads.append(need.load)
    assert loads[1] > 1.3 * loads[0]


@pytest.mark.parametrize(("load", "workers"), [(0.0, 0), (0.01, 1), (1.0, 1), (1.0000000001, 1), (1.01, 2)])
def test_a_load_is_rounded_up(load: float, workers: int) -> None:
    assert whole(load) == workers
