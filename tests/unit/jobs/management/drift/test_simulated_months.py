"""Months without drift alarm once at most, a shift of one deviation is found, and the command says so."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from django.core.management.base import CommandError

from jobs.management.drift import simulated_months
from jobs.management.drift.simulated_months import CASES, TrafficCase, daily, run_month, simulate, wandering

SHORT = 72  # hours instead of a month's


def ends(case: TrafficCase, months: int, monkeypatch: pytest.MonkeyPatch) -> list[simulated_months.MonthEnd]:
    monkeypatch.setattr(simulated_months, "HOURS", SHORT)
    return [run_month(case, np.random.default_rng([7, month])) for month in range(months)]


@pytest.mark.parametrize(
    "case",
    [
        TrafficCase(jobs=200),
        TrafficCase(jobs=8),
        TrafficCase(jobs=200, swing=0.98),
        TrafficCase(jobs=200, effect=wandering(0.1)),
        TrafficCase(jobs=200, effect=daily(0.5), reference_hours=72),
        TrafficCase(jobs=200, alike=20, reference_hours=72),
    ],
)
def test_without_drift_hardly_any_hour_alarms(case: TrafficCase, monkeypatch: pytest.MonkeyPatch) -> None:
    months = ends(case, 3, monkeypatch)
    assert sum(end.alarms for end in months) <= 1
    assert {end.found for end in months} == {None}


@pytest.mark.parametrize("jobs", [60, 300])
def test_a_shift_of_one_deviation_is_found_within_two_hours(
    jobs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert all(end.found for end in ends(TrafficCase(jobs=jobs, shift=1.0), 5, monkeypatch))


def test_a_daily_cycle_alarms_a_reference_that_has_no_nights(monkeypatch: pytest.MonkeyPatch) -> None:
    cycle = daily(0.7)
    short = ends(TrafficCase(jobs=700, effect=cycle), 2, monkeypatch)
    assert sum(end.alarms for end in short) > 2


def run(**options: Any) -> str:
    return simulate({"case": None, "months": 1, "seed": 1, "json": False} | options)


def test_the_command_prints_a_line_a_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulated_months, "HOURS", 5)
    name = "a shift of 1 deviation, 60 jobs an hour"
    assert run(case=[name]) == (
        f"{name}: 0 false alarms a version and month, 0 of 1 months with more than one,"
        " found within two hours in 100%"
    )
    (row,) = json.loads(run(case=["steady, 8 jobs an hour"], json=True))
    assert row == {
        "case": "steady, 8 jobs an hour", "months": 1, "false_alarms_a_month": 0.0, "months_above_one": 0,
        "found": None,
    }  # fmt: skip


def test_an_unknown_case_and_no_months_are_refused() -> None:
    with pytest.raises(CommandError, match="no such case: nothing; there are: steady"):
        run(case=["nothing"])
    with pytest.raises(CommandError, match="at least 1"):
        run(months=0)


def test_the_cases_have_names_of_their_own() -> None:
    assert len({id(case) for case in CASES.values()}) == len(CASES)
