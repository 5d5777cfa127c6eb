"""Workers follow the load without flapping, and a day needs hardly more of them than one who knew it."""

from __future__ import annotations

import pytest

from tests.unit.jobs.core.scaling.fluid_day import Fleet, day, drawn, oracle_s, run

HALF_HOUR_S = 1_800.0
MOST_TURNS = 2


@pytest.mark.parametrize("per_s", [0.05, 0.5, 3.0, 9.5, 30.0, 45.0, 100.0])
def test_half_an_hour_of_steady_arrivals_changes_direction_twice_at_most(per_s: float) -> None:
    for seed in range(4):
        fleet = Fleet(noise=0.1 * (seed % 2), step_s=1.0)
        arrivals = drawn(lambda _: per_s, HALF_HOUR_S, fleet.step_s, seed)
        result = run(fleet, arrivals, seed)
        assert result.turns <= MOST_TURNS, (seed, result.turns)
        assert result.numbers[-1] >= per_s / fleet.per_s, "it serves what comes"


def test_a_day_meets_its_goal_with_hardly_more_devices_than_one_who_knew_it() -> None:
    fleet = Fleet(goal_s=5.0, start_s=60.0, step_s=1.0)  # others are in the benchmark `scaling`
    arrivals = day(60.0, 1, fleet.step_s)
    result = run(fleet, arrivals, 1)
    assert result.good_minutes >= 0.99
    assert result.device_s <= 1.15 * oracle_s(fleet, arrivals)
