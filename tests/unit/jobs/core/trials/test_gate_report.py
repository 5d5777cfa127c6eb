"""When a gate is passed."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from jobs.core.failures import Failure, FailureKind, Known, Outcome, Success
from jobs.core.trials.gate_report import GateFindings, gate_report, gate_sentence
from jobs.core.trials.outcome_pairs import OutcomePair

BROKEN = Failure(FailureKind.INTERNAL, "ValueError", "the input was 4711", known=Known("ValueError"))


def answer(value: Any) -> Success:
    return Success(json.dumps(value).encode())


def pair(candidate: Outcome, stable: Outcome | None, at: int = 0) -> OutcomePair:
    return OutcomePair(UUID(int=at), candidate, stable)


def test_a_gate_is_not_passed_by_a_candidate_that_answers_nothing() -> None:
    found = GateFindings("cpu", example=True)
    found.add_pairs(pair(BROKEN, answer(1), at) for at in range(8))
    found.add_pairs(pair(BROKEN, BROKEN, at) for at in range(8, 12))
    assert gate_report(found)["passed"] is False
    assert "all 8 stored inputs" in gate_sentence(found)
    found.add_pairs([pair(answer(1), answer(1), 20)])
    assert gate_report(found)["passed"] is True
    assert "8 of them fail" in gate_sentence(found)
    assert gate_sentence(GateFindings("cpu")).startswith("Passed: it loads. It has no example")
