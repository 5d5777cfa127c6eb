"""What a gate found, whether the candidate passes, and why in a sentence. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from jobs.core.trials.outcome_pairs import OutcomePair
from jobs.core.trials.size_times import SizeTimes

LEAST_INPUTS = 8  # from which on a candidate that answers none of them is refused


@dataclass(slots=True)
class GateFindings:
    """The findings so far; `fault` is why the candidate does not pass, as far as one run showed it."""

    device: str
    candidate: dict[str, Any] = field(default_factory=dict)
    stable: dict[str, Any] = field(default_factory=dict)
    example: bool = False
    fault: str = ""
    times: SizeTimes = field(default_factory=SizeTimes)
    failed: dict[UUID, bool] = field(default_factory=dict)  # by job, whether the candidate alone failed
    answered: int = 0  # jobs that the stable version answered

    def add_pairs(self, pairs: Iterable[OutcomePair]) -> None:
        """Count stored inputs, each once however often it runs."""
        for pair in pairs:
            if pair.job not in self.failed:
                self.failed[pair.job] = pair.candidate_alone_failed
                self.answered += pair.stable_answered

    @property
    def failed_alone(self) -> int:
        """Return how many inputs the candidate failed that the stable version answered."""
        return sum(self.failed.values())

    @property
    def reason(self) -> str:
        """Return why the candidate does not pass; empty where it does."""
        if self.fault:
            return self.fault
        if self.answered >= LEAST_INPUTS and self.failed_alone == self.answered:
            return f"The candidate fails on all {self.answered} stored inputs that the stable one answers."
        return ""


def gate_report(found: GateFindings) -> dict[str, Any]:
    """Return the report as JSON: ids, counts, seconds and bytes."""
    return {
        "passed": not found.reason,
        "device": found.device,
        "candidate": found.candidate,
        "stable": found.stable,
        "example": found.example,
        "inputs": len(found.failed),
        "candidate_alone_failed": found.failed_alone,
        "service_times": found.times.rows(),
    }


def gate_sentence(found: GateFindings) -> str:
    """Return the result for people."""
    if found.reason:
        return f"Not passed. {found.reason}"
    if not found.example and not found.failed:
        return "Passed: it loads. It has no example and no input is stored, so nothing was run."
    ran = f"{len(found.failed)} stored inputs" if found.failed else "its example"
    ratios = [row["ratio"] for row in found.times.rows() if row["ratio"] is not None]
    took = f", in {min(ratios):.2f} to {max(ratios):.2f} times the stable version's time" if ratios else ""
    return f"Passed: it loads and runs {ran}{took}; {found.failed_alone} of them fail where that answers."
