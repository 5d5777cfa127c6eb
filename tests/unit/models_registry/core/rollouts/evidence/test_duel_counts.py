"""Counts of duels add up, and impossible ones are refused."""

from __future__ import annotations

import json

import pytest

from models_registry.core.registry_errors import EvidenceError
from models_registry.core.rollouts.evidence.duel_counts import DuelEvidence, with_duels


def test_counts_add_up_and_survive_being_stored() -> None:
    once = DuelEvidence(10, 2, 1, 3, 1, 7, 6, 1, 1, 1, 0, 0.7)
    twice = with_duels(once, once)
    assert (twice.pairs, twice.candidate_failed, twice.agreed, twice.seconds) == (20, 4, 12, 1.4)
    assert DuelEvidence.of(json.loads(json.dumps(twice.document))) == twice


@pytest.mark.parametrize(
    "more",
    [
        DuelEvidence(pairs=-1),
        DuelEvidence(pairs=1, candidate_failed=2),
        DuelEvidence(pairs=1, stable_failed=2),
        DuelEvidence(timed=1, slower=2),
        DuelEvidence(pairs=2, compared=1, agreed=2),
        DuelEvidence(seconds=-0.1),
    ],
)
def test_impossible_counts_are_an_error(more: DuelEvidence) -> None:
    with pytest.raises(EvidenceError):
        with_duels(DuelEvidence(), more)


def test_something_else_is_an_error() -> None:
    with pytest.raises(EvidenceError):
        DuelEvidence.of({"pairs": "many"})
