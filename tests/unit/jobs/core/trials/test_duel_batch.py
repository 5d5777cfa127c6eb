"""What a batch of duels adds: discordant failures, times, agreement, noise."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from jobs.core.failures import Failure, FailureKind, Known, Outcome, Success
from jobs.core.trials.duel_batch import DuelTerms, duel_counts, noise_counts
from jobs.core.trials.outcome_pairs import OutcomePair
from models_registry.core.agreement.option import Agreement
from models_registry.core.rollouts.evidence.duel_counts import DuelEvidence, with_duels

BROKEN = Failure(FailureKind.INTERNAL, "ValueError", "the input was 4711", known=Known("ValueError"))
TERMS = DuelTerms(Agreement(), slower=1.1)


def answer(value: Any) -> Success:
    return Success(json.dumps(value).encode())


def pair(candidate: Outcome, stable: Outcome | None, at: int = 0) -> OutcomePair:
    return OutcomePair(UUID(int=at), candidate, stable)


def test_only_failures_of_one_side_alone_are_discordant() -> None:
    pairs = [
        pair(answer(1), answer(1)), pair(BROKEN, answer(1)), pair(answer(1), BROKEN), pair(BROKEN, BROKEN),
        pair(answer(1), answer(2)),
    ]  # fmt: skip
    counts = duel_counts(pairs, (1.2, 1.0), TERMS)
    assert counts == DuelEvidence(
        pairs=5, candidate_failed=1, stable_failed=1, timed=1, slower=1, compared=2, agreed=1, seconds=2.2
    )
    assert duel_counts(pairs, (1.05, 1.0), TERMS).slower == 0
    assert duel_counts(pairs, None, TERMS).timed == 0


def test_a_batch_that_fails_as_a_whole_on_one_side_is_one_pair() -> None:
    counts = duel_counts([pair(BROKEN, answer(1))] * 8, (1.0, 1.0), TERMS)
    assert (counts.pairs, counts.candidate_failed) == (1, 1)
    counts = duel_counts([pair(answer(1), BROKEN)] * 8, (1.0, 1.0), TERMS)
    assert (counts.pairs, counts.stable_failed) == (1, 1)
    assert duel_counts([pair(BROKEN, answer(1))], None, TERMS).pairs == 1


def test_noise_is_counted_apart() -> None:
    counts = noise_counts([pair(answer(1), answer(2)), pair(answer(1), answer(1))], (2.0, 1.0), TERMS)
    assert counts == DuelEvidence(
        noise_compared=2, noise_agreed=1, noise_timed=1, noise_slower=1, seconds=3.0
    )
    assert with_duels(DuelEvidence(), counts) == counts
