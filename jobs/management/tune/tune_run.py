"""One tuning from its options to its report."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from jobs.core.loadtest.load_words import LoadGoal
from jobs.core.tuning.bench import Bench, Effort
from jobs.core.tuning.evaluation import Estimated
from jobs.core.tuning.front import curves, front
from jobs.core.tuning.tune import Infeasible, Tuned, tune, tune_workers
from jobs.core.tuning.tune_report import Foretold, TuneReport, TuneSearch, TuneTimes
from jobs.management.tune.tune_arguments import TuneArguments
from jobs.management.tune.tune_commands import MOST_LINES, commands_for
from jobs.management.tune.tune_processes import chance_of, processes
from jobs.management.tune.tune_sources import TuneTask, task_of


@dataclass(frozen=True, slots=True)
class TuneRun:
    """The report, what it was made for, and every answer near the best setting, for the picture."""

    report: TuneReport
    task: TuneTask
    curves: Sequence[Estimated]


def run_tune(arguments: TuneArguments, effort: Effort) -> TuneRun:
    """Search the settings; LoadWordError, ModelNotFoundError: nothing was simulated."""
    task, started = task_of(arguments), time.perf_counter()
    with processes(task.workload, arguments.goal) as ask:
        bench = Bench(task.workload, arguments.goal, arguments.workers or 1, effort, ask)
        chance = chance_of(arguments.seed)
        if arguments.workers is None and task.rate_per_s is not None:
            outcome = tune_workers(task.space, bench, chance, task.rate_per_s)
        else:
            outcome = tune(task.space, bench, chance, task.rate_per_s)
        drawn = _curves(outcome, bench)
    took_s = time.perf_counter() - started
    search = TuneSearch(
        space=len(task.space), questions=len(bench.answers), simulated_jobs=bench.simulated,
        seconds=round(took_s, 1), seed=arguments.seed,
    )  # fmt: skip
    return TuneRun(_report(arguments, task, outcome, drawn, search), task, drawn)


def _curves(outcome: Tuned | Infeasible, bench: Bench) -> list[Estimated]:
    if isinstance(outcome, Infeasible):
        return []
    bench.workers = outcome.workers
    return curves(outcome.setting, outcome.highest.question.rate_per_s, bench)


def _report(
    arguments: TuneArguments,
    task: TuneTask,
    outcome: Tuned | Infeasible,
    drawn: Sequence[Estimated],
    search: TuneSearch,
) -> TuneReport:
    tuned = outcome if isinstance(outcome, Tuned) else None
    failed = outcome if isinstance(outcome, Infeasible) else None
    workers = tuned.workers if tuned else arguments.workers or 1
    most = tuned.highest.question.rate_per_s if tuned else failed.most_per_s if failed else 0.0
    return TuneReport(
        format="inference-tune/1",
        verdict="tuned" if tuned else "infeasible",
        model=task.info.model,
        version=task.info.version,
        goal=str(arguments.goal),
        limit_ms=arguments.goal.limit_s * 1e3,
        workers=workers,
        rate_per_s=task.rate_per_s,
        times=_times(task),
        asked=foretold(tuned.asked) if tuned else None,
        highest=foretold(tuned.highest) if tuned else None,
        best_ms=_ms(failed.best_s) if failed else None,
        workers_needed=failed.workers if failed else None,
        highest_rate_per_s=round(most, 3),
        front=[foretold(answer) for answer in front(drawn)],
        commands=commands_for(task.info, arguments.goal, tuned.setting, workers) if tuned else [],
        warnings=[*task.warnings, *(_notes(task, tuned) if tuned else [])],
        search=search,
    )


def foretold(answer: Estimated) -> Foretold:
    """Return an answer as the report has it."""
    return Foretold(
        setting=answer.question.setting,
        rate_per_s=round(answer.question.rate_per_s, 3),
        throughput_per_s=round(answer.throughput_per_s, 3),
        latency_ms=round(answer.latency_s * 1e3, 3),
        upper_ms=_ms(answer.upper_s),
    )


def _times(task: TuneTask) -> TuneTimes:
    run, overheads = task.workload.run, task.workload.overheads
    return TuneTimes(
        base_s=run.base_s, per_unit_s=run.per_unit_s, crowding=run.crowding, runs=task.runs,
        deliver_s=overheads.deliver_s, claim_s=overheads.claim.base_s, settle_s=overheads.settle.base_s,
    )  # fmt: skip


def _notes(task: TuneTask, tuned: Tuned) -> list[str]:
    notes = _extrapolated(task, tuned)
    if tuned.workers > MOST_LINES:
        notes.append(f"start {tuned.workers:,} workers, on each host with an --index and a GPU of their own")
    return notes


def _extrapolated(task: TuneTask, tuned: Tuned) -> list[str]:
    most = task.info.max_batch
    if not task.runs or tuned.setting.max_batch <= most:
        return []
    words = (
        f"no batch of more than {most} has run, so times of larger ones are extrapolated and their memory is"
    )
    return [f"{words} not known: --verify runs them"]


def _ms(seconds: float) -> float | None:
    return round(seconds * 1e3, 3) if isfinite(seconds) else None


def goal_of(report: TuneReport) -> LoadGoal:
    """Return the goal of a report."""
    return LoadGoal(float(report.goal.partition("=")[0][1:]), report.limit_ms / 1e3)
