"""The judge in virtual time, in small: it finds what is worse, and no drift, lag or client misleads it.

`python -m tests.benchmarks rollouts` runs each case a thousand times.
"""

from __future__ import annotations

import random
from math import sqrt

import pytest
from msgspec.structs import replace

from models_registry.core.rollouts.evidence.gathered import GatheredEvidence, absorb
from models_registry.core.rollouts.evidence.tick import Tick, without_known
from models_registry.core.rollouts.rollout_plan import Plan
from models_registry.core.rollouts.rollout_states import HoldReason, RolloutState
from models_registry.core.rollouts.simulation import virtual_rollout
from models_registry.core.rollouts.simulation.in_flight import AttemptsInFlight
from models_registry.core.rollouts.simulation.rollout_cases import (
    GOOD_CASES,
    IN_FLIGHT,
    POWER_TABLE,
    PowerRow,
    power_scenario,
    volume_scenario,
)
from models_registry.core.rollouts.simulation.scenario import RolloutScenario
from models_registry.core.rollouts.simulation.virtual_rollout import VirtualEnd, VirtualRollout

ROLLED_BACK, DONE = RolloutState.ROLLED_BACK, RolloutState.DONE


def runs(scenario: RolloutScenario, count: int, *, until_proven: bool = False) -> list[VirtualEnd]:
    return [
        VirtualRollout(scenario, random.Random(seed).random, stops_when_proven=until_proven).run()
        for seed in range(count)
    ]


@pytest.mark.parametrize("name", GOOD_CASES)
def test_a_good_candidate_reaches_all_traffic_whatever_else_happens(name: str) -> None:
    for end in runs(GOOD_CASES[name], 1):
        assert (end.state, end.proven) in {(DONE, True), (RolloutState.RUNNING, True)}, end.sentence


def test_these_cases_would_show_a_statistic_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pooled z-test at every look, which the design warns of, rolls good candidates back."""

    def with_z_test(evidence: GatheredEvidence, tick: Tick) -> GatheredEvidence:
        evidence = absorb(evidence, tick)
        test = evidence.failures
        seen = test.seen_ours + test.seen_theirs
        rate = (test.failed_ours + test.failed_theirs) / max(1, seen)
        scatter = sqrt(rate * (1 - rate) * (1 / max(1, test.seen_ours) + 1 / max(1, test.seen_theirs)))
        harm = test.failed_ours / max(1, test.seen_ours) - test.rate_theirs
        worse = test.seen_ours >= 50 and harm > 2.326 * scatter
        return (
            replace(evidence, failures=replace(test, logs=(9.0,) * 6, excess=harm, weight=1.0))
            if worse
            else evidence
        )

    monkeypatch.setattr(virtual_rollout, "absorb", with_z_test)
    drifting = GOOD_CASES["drift from 1 to 6 %"]
    assert sum(end.state is ROLLED_BACK for end in runs(drifting, 4)) >= 2


@pytest.mark.parametrize("name", IN_FLIGHT)
def test_jobs_that_a_step_overtakes_mislead_no_test(name: str) -> None:
    assert {end.state for end in runs(IN_FLIGHT[name], 4)} == {DONE}


def test_these_cases_would_show_jobs_that_count_under_a_later_step(monkeypatch: pytest.MonkeyPatch) -> None:
    keep = AttemptsInFlight.ended
    monkeypatch.setattr(
        AttemptsInFlight, "ended", lambda self, chance, dealt, _step: keep(self, chance, dealt, 0)
    )
    ends = runs(IN_FLIGHT["10 min in flight, a jump at a step"], 4)
    assert any(end.state is ROLLED_BACK for end in ends)


def test_these_cases_would_show_keys_that_count_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """One client that sends one bad input again and again would look like a bad version."""
    monkeypatch.setattr(
        virtual_rollout, "without_known", lambda tick, _known: without_known(tick, frozenset())
    )
    scenario = replace(GOOD_CASES["one bad client"], plan=Plan(steps=(40, 100), duels=0), duels_per_look=0)
    assert any(end.state is ROLLED_BACK for end in runs(replace(scenario, horizon_s=900.0), 4))


def test_and_counted_once_that_client_is_one_failure() -> None:
    scenario = replace(GOOD_CASES["one bad client"], plan=Plan(steps=(40, 100), duels=0), duels_per_look=0)
    assert not any(end.state is ROLLED_BACK for end in runs(replace(scenario, horizon_s=900.0), 4))


@pytest.mark.parametrize("row", [row for row in POWER_TABLE if row.worse >= 0.1], ids=str)
def test_a_worse_candidate_goes_back_about_when_the_design_says(row: PowerRow) -> None:
    ends = runs(power_scenario(row), 21)
    assert all(end.state is ROLLED_BACK for end in ends)
    assert sorted(end.met for end in ends)[10] <= 1.5 * row.median + 3


def test_jobs_one_by_one_are_as_good_as_many_a_look() -> None:
    row = PowerRow(0.0, 0.1, 26, 54, 1)  # one job a look, seldom the candidate's
    assert sorted(end.met for end in runs(power_scenario(row), 5))[2] <= 80


def test_a_point_worse_is_seldom_proven() -> None:
    scenario = replace(volume_scenario(0.0, 10**6), budget=10**9)
    scenario = replace(scenario, plan=Plan(steps=(5, 100)), look_s=40.0)
    ends = runs(scenario, 10, until_proven=True)
    assert sum(end.state is not ROLLED_BACK for end in ends) <= 2


@pytest.mark.parametrize("daily", [100, 5_000, 20_000])
def test_no_unproven_candidate_meets_more_than_its_budget_and_one_tick(daily: float) -> None:
    for end in runs(volume_scenario(0.01, daily, worse=0.0), 3):
        assert end.over_budget <= end.last_tick
        assert end.over_budget <= max(5, 0.05 * end.budget)
        assert (end.held, end.met >= end.budget) in {(HoldReason.BUDGET, True), (HoldReason.STARVED, False)}


def test_at_a_huge_rate_the_first_tick_is_paced_to_a_small_budget() -> None:
    scenario = replace(volume_scenario(0.01, 4e8, worse=0.0), budget=50)
    scenario = replace(scenario, plan=Plan(steps=(50, 100), baseline=False))
    for end in runs(scenario, 3):
        assert 50 <= end.met <= 100  # 9,000 jobs arrive in a look


def test_a_slower_candidate_goes_back_by_its_batches() -> None:
    scenario = replace(GOOD_CASES["plain"], slower=1.6, duels_per_look=0, sigma=0.3)
    assert {end.reason for end in runs(scenario, 2)} == {"latency"}


def test_without_jobs_it_starves() -> None:
    scenario = replace(volume_scenario(0.01, 1.0, worse=0.0), look_s=3_600.0)
    assert {end.held for end in runs(scenario, 3)} == {HoldReason.STARVED}


def test_equal_seeds_give_equal_roll_outs() -> None:
    scenario = replace(GOOD_CASES["500 sticky clients"], horizon_s=900.0)
    assert runs(scenario, 2) == runs(scenario, 2)
    one, other = runs(scenario, 2)
    assert one != other
