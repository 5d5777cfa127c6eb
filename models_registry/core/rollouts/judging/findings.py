"""The tests of a roll-out at one look; together they roll back at most 1 % of the good candidates."""

from __future__ import annotations

from enum import StrEnum
from math import inf
from typing import NamedTuple

from models_registry.core.rollouts.evidence.duel_counts import DuelEvidence
from models_registry.core.rollouts.evidence.gathered import GatheredEvidence
from models_registry.core.rollouts.rollout_plan import Plan
from models_registry.core.rollouts.statistics.paired_tests import coin_e, excess_e
from models_registry.core.rollouts.statistics.sample_sizes import keys_needed, pairs_needed

ALPHA_FAILURES = 0.005  # e = 200
ALPHA_OTHERS = 0.001  # of each of the five others: 0.5 + 5 * 0.1 = 1 %
SUSPICIOUS_E = 20.0
UNSUSPICIOUS_E = 10.0  # lower, so that an e-value around 20 does not hold and resume at every look
LEAST_HARM = 0.002  # 0.2 percentage points
LEAST_SLOWER = 0.05  # of batches: those of a candidate 5 to 10 % slower are let through


class RolloutTest(StrEnum):
    """The tests; the value is shown by the API."""

    FAILURES = "failures"
    REFUSALS = "refusals"
    LATENCY = "latency"
    DUEL_FAILURES = "duel_failures"
    DUEL_TIME = "duel_time"
    AGREEMENT = "agreement"


class RolloutFinding(NamedTuple):
    """The e-value of a test, and the difference in parts that it found; both must be large to act on it."""

    test: RolloutTest
    e: float
    harm: float
    least_harm: float = LEAST_HARM
    alpha: float = ALPHA_OTHERS

    @property
    def bar(self) -> float:
        """Return the e-value at which the candidate is rolled back."""
        return round(1 / self.alpha)

    @property
    def rolls_back(self) -> bool:
        """Return whether the candidate is worse."""
        return self.e >= self.bar and self.harm >= self.least_harm

    def suspicious(self, above: float = SUSPICIOUS_E) -> bool:
        """Return whether the candidate may be worse, by more than is let through."""
        return self.e > above and self.harm >= self.least_harm


def findings_of(plan: Plan, evidence: GatheredEvidence, duels: DuelEvidence) -> list[RolloutFinding]:
    """Return the result of each test, that of the plan's agreement only where it sets a limit."""
    failures, refusals, latency = evidence.failures, evidence.refusals, evidence.latency
    live = [
        RolloutFinding(RolloutTest.FAILURES, failures.e, failures.harm, alpha=ALPHA_FAILURES),
        RolloutFinding(RolloutTest.REFUSALS, refusals.e, refusals.harm),
        RolloutFinding(RolloutTest.LATENCY, latency.e, latency.harm, LEAST_SLOWER),
    ]
    return live + duel_findings(plan, duels)


def duel_findings(plan: Plan, duels: DuelEvidence) -> list[RolloutFinding]:
    """Return the results of the duels alone, as a gate needs them; empty before the first duel."""
    if not duels.pairs and not duels.timed:
        return []
    failed = coin_e(duels.candidate_failed, duels.stable_failed)
    harm = (duels.candidate_failed - duels.stable_failed) / max(1, duels.pairs)
    slow = coin_e(duels.slower, duels.timed - duels.slower)
    slower = duels.slower / max(1, duels.timed) - 0.5
    found = [
        RolloutFinding(RolloutTest.DUEL_FAILURES, failed, harm),
        RolloutFinding(RolloutTest.DUEL_TIME, slow, slower, LEAST_SLOWER),
    ]
    if plan.least_agreement is not None:
        found.append(_agreement(duels, 1.0 - plan.least_agreement))
    return found


def _agreement(duels: DuelEvidence, allowed: float) -> RolloutFinding:
    differed = duels.compared - duels.agreed
    e = excess_e(differed, duels.compared, allowed)
    return RolloutFinding(RolloutTest.AGREEMENT, e, differed / max(1, duels.compared) - allowed, 0.0)


def worst(found: list[RolloutFinding]) -> RolloutFinding:
    """Return the result nearest to its bar."""
    return max(found, key=lambda result: result.e / result.bar)


class Need(NamedTuple):
    """How much has been judged, and how much is enough; `pairs_needed` is infinite without duels."""

    keys: int
    keys_needed: float
    pairs: int
    pairs_needed: float

    @property
    def by_keys(self) -> bool:
        """Return whether enough of the candidate's keys were judged."""
        return self.keys >= self.keys_needed

    @property
    def by_duels(self) -> bool:
        """Return whether enough duels were run."""
        return self.pairs >= self.pairs_needed

    @property
    def met(self) -> bool:
        """Return whether either is enough."""
        return self.by_keys or self.by_duels


def need(plan: Plan, evidence: GatheredEvidence, duels: DuelEvidence) -> Need:
    """Return what is enough: a candidate a point worse has been rolled back by then, 90 % sure."""
    failures = evidence.failures
    rate = (failures.failed_theirs + 0.5) / (failures.seen_theirs + 1)
    keys = keys_needed(rate, failures.part, ALPHA_FAILURES)
    pairs: float = inf
    if plan.duels:
        differing = duels.stable_failed / max(1, duels.pairs)
        pairs = max(plan.duels, pairs_needed(differing, ALPHA_OTHERS))
    return Need(evidence.judged, keys, duels.pairs, pairs)
