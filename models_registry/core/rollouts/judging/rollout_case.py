"""All that one look knows of a roll-out, and the acts that are made of it."""

from __future__ import annotations

from math import isfinite
from typing import NamedTuple, Self

from models_registry.core.rollouts.evidence.duel_counts import DuelEvidence
from models_registry.core.rollouts.evidence.gathered import GatheredEvidence
from models_registry.core.rollouts.judging.exposure import paced_share_ppm, step_share_ppm
from models_registry.core.rollouts.judging.findings import Need, RolloutFinding, findings_of, need, worst
from models_registry.core.rollouts.judging.judge_act import ActKind, JudgeAct
from models_registry.core.rollouts.judging.progress_words import evidence_words, need_words
from models_registry.core.rollouts.judging.standing import RolloutStanding
from models_registry.core.rollouts.rollout_plan import Plan
from models_registry.core.rollouts.rollout_states import HoldReason


class RolloutCase(NamedTuple):
    """The plan, the standing and the evidence, with what they add up to."""

    plan: Plan
    standing: RolloutStanding
    evidence: GatheredEvidence
    duels: DuelEvidence
    findings: list[RolloutFinding]
    need: Need

    @classmethod
    def of(
        cls, plan: Plan, standing: RolloutStanding, evidence: GatheredEvidence, duels: DuelEvidence
    ) -> Self:
        """Run the tests."""
        findings = findings_of(plan, evidence, duels)
        return cls(plan, standing, evidence, duels, findings, need(plan, evidence, duels))

    @property
    def worst(self) -> RolloutFinding:
        """Return the test that is nearest to its bar."""
        return worst(self.findings)

    @property
    def suspect(self) -> RolloutFinding | None:
        """Return the nearest test that makes the candidate suspicious, if any."""
        suspects = [finding for finding in self.findings if finding.suspicious()]
        return worst(suspects) if suspects else None

    @property
    def passes(self) -> bool:
        """Return whether this step has shown enough: jobs here, and keys or duels since the start."""
        return self.need.met and self.evidence.judged_here > 0

    @property
    def paced_ppm(self) -> int:
        """Return the share that this step may have now."""
        return paced_share_ppm(self.standing, step_share_ppm(self.plan, self.standing.step))

    @property
    def summary(self) -> str:
        """Return how much of the budget was met, and what the nearest test found."""
        standing = self.standing
        met = f"{standing.met:,} jobs met"
        if not standing.proven:
            met = f"{standing.met:,} of {standing.budget:,} budgeted jobs met"
        return f"{met}, {self.words_of(self.worst)}"

    @property
    def progress(self) -> str:
        """Return how far the proof is."""
        return need_words(self.standing, self.need, self.duels)

    def words_of(self, finding: RolloutFinding) -> str:
        """Return what a test found."""
        return evidence_words(self.evidence, finding)

    def act(  # an act's parts, each by name
        self,
        kind: ActKind,
        sentence: str,
        *,
        share_ppm: int | None = None,
        step: int | None = None,
        held: HoldReason | None = None,
        reason: str = "",
    ) -> JudgeAct:
        """Return an act; share and step stay where none is given."""
        standing = self.standing
        return JudgeAct(
            kind,
            standing.share_ppm if share_ppm is None else share_ppm,
            standing.step if step is None else step,
            sentence,
            self.numbers,
            held,
            reason,
        )

    @property
    def numbers(self) -> dict[str, float]:
        """Return what the API and the metrics show; what is infinite is left out."""
        failures = self.evidence.failures
        numbers: dict[str, float] = {f"e_{finding.test}": finding.e for finding in self.findings}
        numbers |= {f"harm_{finding.test}": finding.harm for finding in self.findings}
        numbers |= {
            "met": self.standing.met,
            "budget": self.standing.budget,
            "deaths": self.evidence.deaths,
            "judged": self.evidence.judged,
            "judged_stable": failures.seen_theirs,
            "failed": failures.failed_ours,
            "failed_stable": failures.failed_theirs,
            "expected": failures.expected_ours,
            "keys_needed": self.need.keys_needed,
            "pairs": self.need.pairs,
            "pairs_needed": self.need.pairs_needed,
        }
        return {name: value for name, value in numbers.items() if isfinite(value)}
