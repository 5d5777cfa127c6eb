"""The counts of one batch that two versions ran one after the other. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from jobs.core.failures import Failure, Outcome
from jobs.core.trials.outcome_pairs import OutcomePair
from models_registry.core.agreement.agree import OwnComparison
from models_registry.core.agreement.option import Agreement
from models_registry.core.rollouts.evidence.duel_counts import DuelEvidence


class DuelTerms(NamedTuple):
    """When outputs agree, and the times of the stable's service time that are allowed."""

    agreement: Agreement
    slower: float
    own: OwnComparison | None = None


def duel_counts(
    pairs: Sequence[OutcomePair], seconds: tuple[float, float] | None, terms: DuelTerms
) -> DuelEvidence:
    """Return what a batch of duels adds.

    `seconds` are those of the candidate and of the stable version; None where they do not count.
    """
    verdicts = [pair.compared(terms.agreement, terms.own) for pair in pairs]
    compared = [verdict for verdict in verdicts if verdict is not None]
    timed = {"timed": 1, "slower": int(seconds[0] > terms.slower * seconds[1])} if seconds else {}
    return DuelEvidence(
        **_failures(pairs),
        **timed,
        compared=len(compared),
        agreed=sum(verdict.agrees for verdict in compared),
        seconds=sum(seconds or (0.0, 0.0)),
    )


def noise_counts(
    pairs: Sequence[OutcomePair], seconds: tuple[float, float] | None, terms: DuelTerms
) -> DuelEvidence:
    """Return what a batch adds that the stable version ran twice."""
    counts = duel_counts(pairs, seconds, terms)
    return DuelEvidence(
        noise_compared=counts.compared,
        noise_agreed=counts.agreed,
        noise_timed=counts.timed,
        noise_slower=counts.slower,
        seconds=counts.seconds,
    )


def _failures(pairs: Sequence[OutcomePair]) -> dict[str, int]:
    """Count pairs and discordant failures; a batch that failed as a whole on one side is one pair."""
    ours, theirs = (
        _all_failed([pair.candidate for pair in pairs]),
        _all_failed([pair.stable for pair in pairs]),
    )
    ours_alone = sum(pair.candidate_alone_failed for pair in pairs)
    theirs_alone = sum(pair.stable_alone_failed for pair in pairs)
    if len(pairs) > 1 and ours != theirs and len(pairs) in (ours_alone, theirs_alone):
        return {"pairs": 1, "candidate_failed": int(ours), "stable_failed": int(theirs)}
    return {"pairs": len(pairs), "candidate_failed": ours_alone, "stable_failed": theirs_alone}


def _all_failed(outcomes: Sequence[Outcome | None]) -> bool:
    return bool(outcomes) and all(isinstance(outcome, Failure) for outcome in outcomes)
