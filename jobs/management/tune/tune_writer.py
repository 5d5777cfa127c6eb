"""Writes the report of a tuning as JSON and as a picture, and prints it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from jobs.core.tuning.tune import MOST_WORKERS
from jobs.core.tuning.tune_report import Foretold, TuneReport
from jobs.management.tune.tune_picture import draw_front, words_of, workers_of
from jobs.management.tune.tune_run import TuneRun

REPORT, PICTURE = "tune.json", "front.png"


def write_tune(run: TuneRun, report: TuneReport, folder: Path) -> None:
    """Write the report, and the picture where there is a front, into a folder that exists."""
    (folder / REPORT).write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")
    if report.front:
        draw_front(report, run.curves, folder / PICTURE)


def show_tune(report: TuneReport, folder: Path, console: Console) -> None:
    """Print the outcome, what was foretold, and the commands."""
    if report.verdict == "tuned":
        console.print(_table(report))
    for line in _lines(report, folder):
        console.print(line, highlight=False, soft_wrap=True)


def _table(report: TuneReport) -> Table:
    name = report.goal.partition("=")[0]
    title = f"{report.model}:{report.version}, {report.goal}, {workers_of(report)}; foretold, ms"
    table = Table("", "jobs/s", name, "upper 95 % bound", title=title, title_justify="left")
    rows = {"at the given rate": report.asked, "at the highest rate": report.highest}
    if report.rate_per_s is None and report.verified is None:
        del rows["at the given rate"]
    for what, point in rows.items():
        if point is not None:
            table.add_row(what, *_cells(point))
    if report.verified is not None:
        verified = report.verified
        seen = _number(verified.throughput_per_s), _number(verified.latency_ms)
        table.add_row("seen on real workers", *seen, f"the load test: {verified.verdict}")
    return table


def _cells(point: Foretold) -> list[str]:
    return [_number(value) for value in (point.rate_per_s, point.latency_ms, point.upper_ms)]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f}"


def _lines(report: TuneReport, folder: Path) -> Iterator[str]:
    search = report.search
    if report.asked is not None:
        yield f"settings: {words_of(report.asked.setting)}"
    else:
        yield from _infeasible(report)
    for reason in report.verified.reasons if report.verified else ():
        yield f"seen: {reason}"
    for warning in report.warnings:
        yield f"note: {warning}"
    yield from ("", *report.commands, "") if report.commands else ()
    yield (
        f"{search.questions:,} simulations of {search.simulated_jobs:,} jobs in {search.seconds:g} s, of"
        f" {search.space:,} settings; {folder / REPORT}" + (f", {folder / PICTURE}" if report.front else "")
    )


def _infeasible(report: TuneReport) -> Iterator[str]:
    name = report.goal.partition("=")[0]
    best = "no job had a result" if report.best_ms is None else f"the best {name} is {report.best_ms:,.1f} ms"
    rate = "" if report.rate_per_s is None else f" at {report.rate_per_s:,.1f}/s"
    yield f"infeasible: {report.goal}{rate} with {workers_of(report)}; {best}"
    if report.highest_rate_per_s:
        yield f"within the goal they take {report.highest_rate_per_s:,.1f}/s"
    if report.workers_needed is not None:
        yield f"{report.workers_needed:,} workers would do"
    elif report.highest_rate_per_s:
        yield f"not even {MOST_WORKERS:,} workers would do"
    else:
        yield "no number of workers would do: a job alone takes longer than the goal, or nearly as long"
