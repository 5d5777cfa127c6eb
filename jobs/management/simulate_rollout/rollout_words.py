"""The report of `manage.py simulate_rollout` as text."""

from __future__ import annotations

from collections.abc import Iterator

from jobs.management.simulate_rollout.rollout_runs import SimulatedRollouts
from models_registry.core.rollouts.judging.progress_words import duration_words


def lines_of(report: SimulatedRollouts) -> Iterator[str]:
    """Yield the lines of the report."""
    yield f"{report.runs:,} roll-outs, budget {report.budget:,} jobs"
    for end, count in report.ends.items():
        yield f"  {count / report.runs:7.2%}  {end}"
    yield f"rolled back {report.rolled_back:.2%}, promoted {report.promoted:.2%}, proven {report.proven:.2%}"
    yield (
        f"jobs met until then: {report.met_median:,} in the median, {report.met_p90:,} in 9 of 10;"
        f" time: {duration_words(report.hours_median * 3_600)}, {duration_words(report.hours_p90 * 3_600)}"
    )
    kept = (
        "never more than one tick's claims above it"
        if report.within_a_tick
        else "MORE THAN ONE TICK ABOVE IT"
    )
    yield f"unproven, at most {report.over_budget:,} jobs above the budget: {kept}"
    yield f"the first: {report.example}"
