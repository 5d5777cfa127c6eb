"""The table of a run's faults, and what is wrong, in words."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.smoke.pauses import LIMIT_S
from tests.smoke.round import Outcome, Passed, Pauses

SHOWN = 20


def status(outcome: Outcome) -> int:
    """Return the exit status: 0, or 1 if anything is wrong."""
    return 1 if wrong(outcome) else 0


def wrong(outcome: Outcome) -> list[str]:
    """Return a sentence for each thing that is wrong."""
    violations = [f"{v.rule}: {v.detail} {v.job}" for v in outcome.verdict.violations]
    return [
        *violations,
        *outcome.complaints,
        *_of_faults(outcome),
        *_too_long("the whole run", outcome.overall),
    ]


def _of_faults(outcome: Outcome) -> list[str]:
    lines = list[str]()
    for passed, pauses in zip(outcome.passed, outcome.pauses, strict=True):
        lines += [f"{passed.name}: {passed.trouble}"] if passed.trouble else []
        lines += [] if passed.hits else [f"{passed.name}: it hit nothing"]
        lines += _too_long(passed.name, pauses)
    return lines


def _too_long(name: str, pauses: Pauses) -> list[str]:
    found = {"no job ended": pauses.no_end_s, "no call was accepted": pauses.no_post_s}
    return [f"{name}: {what} for {s:.1f} s" for what, s in found.items() if s > LIMIT_S]


def show(console: Console, outcome: Outcome) -> None:
    """Print the table and the sentences."""
    columns = (
        "fault",
        "hit",
        "lasted",
        "whole again",
        "no job ended",
        "no call accepted",
        "job p50, p99, most",
    )
    table = Table(*columns, title_justify="left")
    for passed, pauses in zip(outcome.passed, outcome.pauses, strict=True):
        table.add_row(passed.name, "; ".join(passed.hits), *_times(passed), *_cells(pauses))
    table.add_row("the whole run", "", "", "", *_cells(outcome.overall))
    console.print(table)
    for line in _lines(outcome):
        console.print(line, soft_wrap=True, markup=False, highlight=False)


def _times(passed: Passed) -> tuple[str, str]:
    return f"{passed.healed - passed.began:.1f} s", f"{passed.whole_s:.1f} s"


def _cells(pauses: Pauses) -> tuple[str, str, str]:
    span = pauses.waits
    waited = f"{span.p50_s:.2f} s, {span.p99_s:.1f} s, {pauses.slowest_s:.1f} s" if span else ""
    return f"{pauses.no_end_s:.1f} s", f"{pauses.no_post_s:.1f} s", waited


def _lines(outcome: Outcome) -> list[str]:
    counts = ", ".join(f"{count} {what}" for what, count in outcome.verdict.counts.items())
    states = Counter(f"{alert.name} {alert.state}" for alert in outcome.seen.alerts)
    posted = f"posted for {outcome.loaded_s:.0f} s, the last ended {outcome.drained_s:.1f} s later"
    lines = [
        f"{counts}; {posted}; started in {outcome.started_s:.0f} s",
        f"alerts: {', '.join(sorted(states)) or 'none'}",
    ]
    bad = wrong(outcome)
    more = [f"and {len(bad) - SHOWN} more, see verdict.json"] if len(bad) > SHOWN else []
    return [*lines, *(f"WRONG {line}" for line in bad[:SHOWN]), *more]


def save(path: Path, outcome: Outcome) -> None:
    """Write everything down as JSON."""
    path.write_text(json.dumps({**asdict(outcome), "wrong": wrong(outcome)}, indent=1, default=str) + "\n")
