"""The output of `manage.py simulate`: a row for each run, and its speed compared with real time."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from jobs.core.simulation.report import SimulationReport
from jobs.management.simulate.runs import Run

HEADS = ("load", "offered/s", "served/s", "refused", "expired", "p50 ms", "p95 ms", "p99 ms", "batch", "busy")

WIDTH = 130  # a narrower table cuts its figures
SELDOM = 0.005  # a smaller share would show as 0 %


def show(runs: Sequence[Run]) -> None:
    """Print the table of the runs and the speed of the simulation."""
    console = Console(width=max(WIDTH, Console().width))
    title = f"capacity {runs[0].capacity_per_s:,.1f} jobs/s in full batches; all times are virtual"
    table = Table(*HEADS, "sealed because", title=title, title_justify="left")
    for run in runs:
        table.add_row(*_cells(run), _reasons(run.report))
    console.print(table)
    console.print(_speed(runs), highlight=False, soft_wrap=True)


def _speed(runs: Sequence[Run]) -> str:
    took_s, virtual_s = sum(run.took_s for run in runs), sum(run.report.span_s for run in runs)
    jobs, lane_s = sum(run.report.offered for run in runs), sum(run.lane_s for run in runs)
    return (
        f"{virtual_s:,.1f} s in {took_s:.2f} s: {virtual_s / took_s:,.1f} times as fast as real time; "
        f"{jobs / took_s:,.0f} jobs and {lane_s / took_s:,.0f} lane-seconds a second"
    )


def _cells(run: Run) -> list[str]:
    report = run.report
    latencies = [f"{report.latency_s(fraction) * 1e3:,.1f}" for fraction in (0.5, 0.95, 0.99)]
    rates = [f"{rate:,.1f}" for rate in (report.offered_per_s, report.throughput_per_s)]
    ends = [f"{count:,}" for count in (report.refused, report.expired)]
    return [
        f"{run.load:.0%}",
        *rates,
        *ends,
        *latencies,
        f"{report.mean_batch:.1f}",
        f"{report.utilisation:.0%}",
    ]


def _reasons(report: SimulationReport) -> str:
    batches = max(1, report.seals.total())
    fractions = {reason: count / batches for reason, count in report.seals.most_common()}
    return ", ".join(
        f"{reason} {fraction:.0%}" for reason, fraction in fractions.items() if fraction >= SELDOM
    )
