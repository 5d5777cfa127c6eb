"""The live page's tables of models: queues and speed, priorities, stages, batches, dead letters."""

from __future__ import annotations

from jobs.core.operations import amounts
from jobs.core.operations.operations_reading import FailureReading, ModelReading, Percentiles, Reading
from jobs.core.operations.page_table import Level, PageCell, PageColumn, PageRow, PageTable
from jobs.core.priority import HIGHEST, LOWEST
from jobs.core.stages import Stage

GOAL_MET = 0.95  # a goal is one of the 95th percentile
# The ledger of batches has no marks of the others.
FROM_LEDGER = tuple(stage for stage in Stage if stage not in (Stage.ADMIT, Stage.TELL))
HIGHEST_FIRST = range(HIGHEST, LOWEST - 1, -1)
NAME = PageColumn("model", "", is_text=True)
_SPEED = [
    PageColumn("p50", "Half of the jobs took less."),
    PageColumn("p95", "95 of 100 jobs took less."),
    PageColumn("p99", "99 of 100 jobs took less."),
]
_MODELS = [
    NAME,
    PageColumn("waiting", "Jobs that wait for a worker, at the last count."),
    PageColumn("oldest", "For how long the first of them has waited."),
    PageColumn("in", "Jobs that came, a second."),
    PageColumn("out", "Jobs that ended, a second."),
    PageColumn("can do", "Jobs that its workers could finish, a second."),
    PageColumn("estimate", "How long a job that comes now would wait."),
    *_SPEED,
    PageColumn("goal", "Within this time 95 of 100 jobs are to end."),
    PageColumn("in goal", "The part of the jobs that ended within the goal."),
    PageColumn("workers", "Live workers that serve it, how many of them are busy, and how many are silent."),
    PageColumn("wanted", "Workers that it should have for what arrives, what waits and its goal."),
    PageColumn("held", "Why its jobs are held back.", is_text=True),
]
_PRIORITIES = [
    NAME,
    *(
        PageColumn(f"priority {priority}", "Jobs that wait, and for how long the first has.")
        for priority in HIGHEST_FIRST
    ),
]
_STAGES = [NAME, *(PageColumn(stage.value, "p50, p95 and p99 of the stage.") for stage in FROM_LEDGER)]
_BATCHES = [
    NAME,
    PageColumn("in flight", "Batches that are claimed and not yet settled."),
    PageColumn("their jobs", "Jobs in these batches."),
    PageColumn("lanes", "Lanes of its live workers, which other models may share."),
    PageColumn("jobs a batch", "The mean of the batches that ended."),
    PageColumn("padding", "The part of a padded batch that is padding."),
    PageColumn("sealed by", "Why batches were complete.", is_text=True),
    PageColumn("retries", "Attempts that failed and were not the last."),
    PageColumn("died", "Jobs that died."),
]
_LETTERS = [
    NAME,
    PageColumn("kind", "", is_text=True),
    PageColumn("fingerprint", "Failures that look alike share it.", is_text=True),
    PageColumn("dead letters", "Dead jobs that were neither replayed nor discarded."),
    PageColumn("first", "How long ago the first of them died."),
    PageColumn("newest", "How long ago the newest of them died."),
]


def is_uncounted(reading: Reading) -> bool:
    """Return whether the count of what waits is too old to be trusted."""
    survey = reading.parts.get("survey")
    return survey is None or not survey.ok


def models_table(reading: Reading) -> PageTable:
    """Return each model's queue and speed, those that need a person first."""
    counted: Level = "amber" if is_uncounted(reading) else ""
    rows = [_model(model, counted) for model in in_order(reading)]
    return PageTable("models", "Models", _MODELS, rows, "No model is registered.")


def in_order(reading: Reading) -> list[ModelReading]:
    """Return the models by name: first where jobs wait and no worker lives, then what is busy, then idle."""
    return sorted(reading.models, key=lambda model: (_place(model), model.model))


def workers_of(model: ModelReading) -> int | None:
    """Return how many live workers serve a model."""
    if model.workers_busy is None or model.workers_idle is None:
        return None
    return model.workers_busy + model.workers_idle


def _place(model: ModelReading) -> int:
    workers = workers_of(model)
    if workers == 0 and any(model.waiting):
        return 0
    return 1 if workers or model.in_per_s or model.out_per_s else 2


def _model(model: ModelReading, counted: Level) -> PageRow:
    waiting = sum(model.waiting)
    late: Level = "amber" if model.goal_met is not None and model.goal_met < GOAL_MET else ""
    alone: Level = "red" if workers_of(model) == 0 and waiting else ""
    oldest_s = max(model.oldest_s, default=None) if waiting else None
    p50, p95, p99 = _speed(model.total)
    cells = [
        PageCell(model.model, "", model.href),
        PageCell(amounts.count(waiting), counted, model.waiting_href if waiting else ""),
        PageCell(amounts.span(oldest_s), counted),
        PageCell(amounts.rate(model.in_per_s)),
        PageCell(amounts.rate(model.out_per_s)),
        PageCell(amounts.rate(model.capacity_per_s)),
        PageCell(amounts.span(model.wait_s)),
        p50, PageCell(p95.text, late), p99,
        PageCell(amounts.span(model.goal_s)),
        PageCell(amounts.part(model.goal_met), late),
        PageCell(_workers(model), alone or ("amber" if model.workers_silent else "")),
        PageCell(amounts.count(model.workers_wanted)),
        PageCell(model.held or amounts.UNKNOWN, "amber" if model.held else ""),
    ]  # fmt: skip
    return PageRow(model.model, cells, model.model)


def _speed(total: Percentiles) -> tuple[PageCell, PageCell, PageCell]:
    p50, p95, p99 = (PageCell(amounts.span(value_s)) for value_s in (total.p50_s, total.p95_s, total.p99_s))
    return p50, p95, p99


def _workers(model: ModelReading) -> str:
    number = workers_of(model)
    if number is None:
        return amounts.UNKNOWN
    busy = f", {amounts.count(model.workers_busy)} busy" if number else ""
    silent = f", {model.workers_silent} silent" if model.workers_silent else ""
    return f"{number}{busy}{silent}"


def priorities_table(reading: Reading) -> PageTable:
    """Return what waits by priority, of the models that jobs wait for."""
    rows = [
        PageRow(
            model.model,
            [PageCell(model.model), *(PageCell(_at_priority(model, priority)) for priority in HIGHEST_FIRST)],
            model.model,
        )
        for model in in_order(reading)
        if any(model.waiting)
    ]
    return PageTable("priorities", "Waiting jobs by priority", _PRIORITIES, rows, "No job waits.")


def _at_priority(model: ModelReading, priority: int) -> str:
    waiting = model.waiting[priority]
    return f"{waiting:,} ({amounts.span(model.oldest_s[priority])})" if waiting else amounts.UNKNOWN


def stages_table(reading: Reading) -> PageTable:
    """Return how long jobs were in each stage, of the models whose jobs ended."""
    rows = [
        PageRow(
            model.model,
            [PageCell(model.model), *(PageCell(_in_stage(model, stage)) for stage in FROM_LEDGER)],
            model.model,
        )
        for model in in_order(reading)
        if any(times.count for times in model.stages.values())
    ]
    return PageTable("stages", "Stages: p50 / p95 / p99", _STAGES, rows, "No job ended lately.")


def _in_stage(model: ModelReading, stage: Stage) -> str:
    times = model.stages.get(stage)
    return amounts.UNKNOWN if times is None else amounts.spans((times.p50_s, times.p95_s, times.p99_s))


def batches_table(reading: Reading) -> PageTable:
    """Return the batches of the models that run any."""
    rows = [_batches(model) for model in in_order(reading) if _has_batches(model)]
    return PageTable("batches", "Batches", _BATCHES, rows, "No batch ran lately.")


def _has_batches(model: ModelReading) -> bool:
    return bool(model.batches or model.batch_size or model.retries or model.died)


def _batches(model: ModelReading) -> PageRow:
    cells = [
        PageCell(model.model),
        PageCell(amounts.count(model.batches)),
        PageCell(amounts.count(model.batch_jobs)),
        PageCell(amounts.count(model.lanes)),
        PageCell(amounts.mean(model.batch_size)),
        PageCell(amounts.part(model.padding)),
        PageCell(_reasons(model.seals)),
        PageCell(amounts.count(model.retries), "amber" if model.retries else ""),
        PageCell(amounts.count(model.died), "red" if model.died else ""),
    ]
    return PageRow(model.model, cells, model.model)


def _reasons(seals: dict[str, int]) -> str:
    """Return the reasons with their parts, the most frequent first."""
    whole = sum(seals.values())
    ordered = sorted(seals.items(), key=lambda pair: (-pair[1], pair[0]))
    return (
        ", ".join(f"{reason} {number / whole:.0%}" for reason, number in ordered if number) or amounts.UNKNOWN
    )


def letters_table(reading: Reading) -> PageTable:
    """Return the dead letters by fingerprint, the largest group first."""
    groups = [(model, failure) for model in reading.models for failure in model.failures]
    groups.sort(key=lambda group: -group[1].count)
    rows = [_letters(model, failure, reading.at) for model, failure in groups]
    return PageTable("letters", "Dead letters", _LETTERS, rows, "There is no dead letter.")


def _letters(model: ModelReading, failure: FailureReading, at: float) -> PageRow:
    cells = [
        PageCell(model.model),
        PageCell(failure.kind),
        PageCell(failure.fingerprint, "", failure.href),
        PageCell(amounts.count(failure.count), "red"),
        PageCell(f"{amounts.span(max(0.0, at - failure.first))} ago"),
        PageCell(f"{amounts.span(max(0.0, at - failure.last))} ago"),
    ]
    return PageRow(f"{model.model}/{failure.kind}/{failure.fingerprint}", cells, model.model)
