"""All tests together must not roll back more than 1 % of the good candidates."""

from __future__ import annotations

import pytest

from models_registry.core.rollouts.evidence.duel_counts import DuelEvidence
from models_registry.core.rollouts.evidence.gathered import GatheredEvidence
from models_registry.core.rollouts.judging.findings import RolloutTest, duel_findings, findings_of, need
from models_registry.core.rollouts.rollout_plan import Plan

ALL = Plan(least_agreement=0.9)
SOME = DuelEvidence(pairs=100, timed=10, compared=100, agreed=95)


def test_every_test_runs_and_their_chances_of_an_error_add_up_to_one_per_cent() -> None:
    found = findings_of(ALL, GatheredEvidence(), SOME)
    assert {finding.test for finding in found} == set(RolloutTest)
    assert sum(finding.alpha for finding in found) == pytest.approx(0.01)
    assert sum(1 / finding.bar for finding in found) == pytest.approx(0.01)


def test_a_gate_reads_the_duels_alone_and_nothing_before_the_first() -> None:
    assert duel_findings(ALL, DuelEvidence()) == []
    assert len(duel_findings(ALL, SOME)) == 3
    assert len(duel_findings(Plan(), SOME)) == 2


def test_service_time_is_held_against_what_the_plan_allows_and_a_little_more() -> None:
    def rolls_back(slower: int) -> bool:
        found = duel_findings(Plan(), DuelEvidence(timed=10_000, slower=slower))
        return any(finding.rolls_back for finding in found)

    assert not rolls_back(5_300)  # 53 of 100 take longer than allowed: too near to the limit to act on
    assert rolls_back(6_000)


def test_without_duels_in_the_plan_no_number_of_them_is_enough() -> None:
    assert not need(Plan(duels=0), GatheredEvidence(), DuelEvidence(pairs=10**6)).by_duels
    assert need(Plan(duels=5), GatheredEvidence(), DuelEvidence(pairs=1_750)).by_duels
    assert not need(
        Plan(duels=5), GatheredEvidence(), DuelEvidence(pairs=1_749)
    ).by_duels  # a point would not be found
