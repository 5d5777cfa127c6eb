"""The table of a round's faults, and the violations in words."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.chaos.checker import Violation
from tests.chaos.recovery import GOAL_S
from tests.chaos.round import Outcome, Passed

SHOWN = 20


def show(console: Console, outcome: Outcome, *, seed: int) -> None:
    of_fault = _by_fault(outcome)
    table = Table("fault", "injected at", "recovery", "verdict", title=f"seed {seed}", title_justify="left")
    for number, passed in enumerate(outcome.passed):
        took = "never" if passed.recovery_s is None else f"{passed.recovery_s:.1f} s"
        table.add_row(passed.name, f"{passed.at_s:.0f} s", took, _word(passed, of_fault.get(number, [])))
    console.print(table)
    for line in _lines(outcome):
        console.print(line, soft_wrap=True, markup=False, highlight=False)


def good(outcome: Outcome) -> bool:
    return not outcome.verdict.violations and all(_recovered(passed) for passed in outcome.passed)


def save(path: Path, outcome: Outcome, *, seed: int) -> None:
    verdict = outcome.verdict
    summary = {"seed": seed, "good": good(outcome), "faults": [asdict(passed) for passed in outcome.passed]}
    summary |= {"counts": dict(verdict.counts), "notes": [*verdict.notes]}
    summary |= {"violations": [asdict(violation) for violation in verdict.violations]}
    path.write_text(json.dumps(summary, indent=1) + "\n")


def _recovered(passed: Passed) -> bool:
    return not passed.trouble and passed.recovery_s is not None and passed.recovery_s <= GOAL_S


def _word(passed: Passed, violations: Sequence[Violation]) -> str:
    words = [f"{count} {rule}" for rule, count in Counter(v.rule for v in violations).items()]
    if passed.trouble:
        words.insert(0, passed.trouble.strip().splitlines()[-1])
    elif not _recovered(passed):
        words.insert(0, f"slower than {GOAL_S:.0f} s")
    return "; ".join(words) or "ok"


def _by_fault(outcome: Outcome) -> dict[int, list[Violation]]:
    """Return the violations of each fault: those dated after it began and before the next did."""
    by_fault: dict[int, list[Violation]] = {}
    for violation in outcome.verdict.violations:
        before = [n for n, passed in enumerate(outcome.passed) if passed.began <= violation.at]
        if before:
            by_fault.setdefault(before[-1], []).append(violation)
    return by_fault


def _lines(outcome: Outcome) -> list[str]:
    verdict = outcome.verdict
    counts = ", ".join(f"{count} {what}" for what, count in verdict.counts.items())
    lines = [f"{counts}; the last ended {outcome.drained_s:.1f} s after the load", *verdict.notes]
    lines += [f"VIOLATION {v.rule}: {v.detail} {v.job}" for v in verdict.violations[:SHOWN]]
    more = len(verdict.violations) - SHOWN
    return lines + ([f"and {more} more, see verdict.json"] if more > 0 else [])
