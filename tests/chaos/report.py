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
from tests.chaos.waits import Waits

SHOWN = 20


def show(console: Console, outcome: Outcome, *, seed: int, ground: str) -> None:
    of_fault = _by_fault(outcome)
    columns = ("fault", "injected at", "hit", "recovery", "p50, p99 meanwhile", "verdict")
    table = Table(*columns, title=f"seed {seed}, {ground}", title_justify="left")
    for number, (passed, span) in enumerate(zip(outcome.passed, outcome.waits, strict=True)):
        took = "never" if passed.recovery_s is None else f"{passed.recovery_s:.1f} s"
        waited = f"{span.p50_s:.1f} s, {span.p99_s:.1f} s" if span else ""
        word = _word(passed, span, of_fault.get(number, []))
        table.add_row(passed.name, f"{passed.at_s:.0f} s", _hits(passed), took, waited, word)
    console.print(table)
    for line in _lines(outcome):
        console.print(line, soft_wrap=True, markup=False, highlight=False)


def status(outcome: Outcome) -> int:
    """Return the exit status: 0, or 1 if anything is wrong, or 2 if no more than a fault hit nothing."""
    pairs = zip(outcome.passed, outcome.waits, strict=True)
    if outcome.verdict.violations or any(_wrong(passed, span) for passed, span in pairs):
        return 1
    return 0 if all(passed.hits for passed in outcome.passed) else 2


def save(path: Path, outcome: Outcome, *, seed: int) -> None:
    verdict = outcome.verdict
    waits = [asdict(span) if span else None for span in outcome.waits]
    faults = [asdict(passed) | {"waits": span} for passed, span in zip(outcome.passed, waits, strict=True)]
    summary = {"seed": seed, "status": status(outcome), "faults": faults}
    summary |= {"counts": dict(verdict.counts), "notes": [*verdict.notes]}
    summary |= {"violations": [asdict(violation) for violation in verdict.violations]}
    path.write_text(json.dumps(summary, indent=1) + "\n")


def _hits(passed: Passed) -> str:
    return "; ".join([*(f"{count} {what}" for what, count in passed.hits.items()), *passed.notes])


def _wrong(passed: Passed, span: Waits | None) -> str:
    """Return what a fault shows that is no violation of the history; empty where all is well."""
    if passed.trouble:
        return passed.trouble.strip().splitlines()[-1]
    if passed.recovery_s is None or passed.recovery_s > GOAL_S:
        return f"slower than {GOAL_S:.0f} s"
    if passed.hits and passed.p99_s is not None and (span is None or span.p99_s > passed.p99_s):
        return f"p99 over {passed.p99_s:.0f} s"
    return ""


def _word(passed: Passed, span: Waits | None, violations: Sequence[Violation]) -> str:
    words = [f"{count} {rule}" for rule, count in Counter(v.rule for v in violations).items()]
    words = [_wrong(passed, span), "" if passed.hits else "hit nothing", *words]
    return "; ".join(filter(None, words)) or "ok"


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
