"""The live page's tables of models: queues and speed, priorities, stages, batches, dead letters."""

from __future__ import annotations

from jobs.core.operations import amounts
from jobs.core.operations.operations_reading import Failure, ModelReading, Percentiles, Reading
from jobs.core.operations.page_table import Cell, Column, Level, Row, Table
from jobs.core.priority import HIGHEST, LOWEST
from jobs.core.stages import Stage

GOAL_MET = 0.95  # a goal is one of the 95th percentile
# The ledger of batches has no marks of the others.
FROM_LEDGER = tuple(stage for stage in Stage if stage not in (Stage.ADMIT, Stage.TELL))
HIGHEST_FIRST = range(HIGHEST, LOWEST - 1, -1)
NAME = Column("model", "", is_text=True)
_SPEED = [
    Column("p50", "Half of the jobs took less."),
    Column("p95", "95 of 100 jobs took less."),
    Column("p99", "99 of 100 jobs took less."),
]
_MODELS = [
    NAME,
    Column("waiting", "Jobs that wait for a worker, at the last count."),
    Column("oldest", "For how long the first of them has waited."),
    Column("in", "Jobs that came, a second."),
    Column("out", "Jobs that ended, a second."),
    Column("can do", "Jobs that its workers could finish, a second."),
    Column("estimate", "How long a job that comes now would wait."),
    *_SPEED,
    Column("goal", "Within this time 95 of 100 jobs are to end."),
    Column("in goal", "The part of the jobs that ended within the goal."),
    Column("workers", "Busy workers, of all that serve it."),
    Column("wanted", "Workers that it should have for what arrives, what waits and its goal."),
    Column("held", "Why its jobs are held back.", is_text=True),
]
_PRIORITIES = [
    NAME,
    *(
        Column(f"priority {priority}", "Jobs that wait, and for how long the first has.")
        for priority in HIGHEST_FIRST
    ),
]
_STAGES = [NAME, *(Column(stage.value, "p50, p95 and p99 of the stage.") for stage in FROM_LEDGER)]
_BATCHES = [
    NAME,
    Column("in flight", "Batches that are claimed and not yet settled."),
    Column("their jobs", "Jobs in these batches."),
    Column("lanes", "Lanes of its live workers, which other models may share."),
    Column("jobs a batch", "The mean of the batches that ended."),
    Column("padding", "The part of a padded batch that is padding."),
    Column("sealed by", "Why batches were complete.", is_text=True),
    Column("retries", "Attempts that failed and were not the last."),
    Column("died", "Jobs that died."),
]
_LETTERS = [
    NAME,
    Column("kind", "", is_text=True),
    Column("fingerprint", "Failures that look alike share it.", is_text=True),
    Column("dead letters", "Dead jobs that were neither replayed nor discarded."),
    Column("first", "How long ago the first of them died."),
    Column("newest", "How long ago the newest of them died."),
]


def is_uncounted(reading: Reading) -> bool:
    """Return whether the count of what waits is too old to be trusted."""
    survey = reading.parts.get("survey")
    return survey is None or not survey.ok


def models_table(reading: Reading) -> Table:
    """Return each model's queue and speed, those that need a person first."""
    counted: Level = "amber" if is_uncounted(reading) else ""
    rows = [_model(model, counted) for model in in_order(reading)]
    return Table("models", "Models", _MODELS, rows, "No model is registered.")


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


def _model(model: ModelReading, counted: Level) -> Row:
    waiting = sum(model.waiting)
    late: Level = "amber" if model.goal_met is not None and model.goal_met < GOAL_MET else ""
    alone: Level = "red" if workers_of(model) == 0 and waiting else ""
    oldest_s = max(model.oldest_s, default=None) if waiting else None
    p50, p95, p99 = _speed(model.total)
    cells = [
        Cell(model.model, "", model.href),
        Cell(amounts.count(waiting), counted, model.waiting_href if waiting else ""),
        Cell(amounts.span(oldest_s), counted),
        Cell(amounts.rate(model.in_per_s)),
        Cell(amounts.rate(model.out_per_s)),
        Cell(amounts.rate(model.capacity_per_s)),
        Cell(amounts.span(model.wait_s)),
        p50, Cell(p95.text, late), p99,
        Cell(amounts.span(model.goal_s)),
        Cell(amounts.part(model.goal_met), late),
        Cell(_workers(model), alone or ("amber" if model.workers_silent else "")),
        Cell(amounts.count(model.workers_wanted)),
        Cell(model.held or amounts.UNKNOWN, "amber" if model.held else ""),
    ]  # fmt: skip
    return Row(model.model, cells, model.model)


def _speed(total: Percentiles) -> tuple[Cell, Cell, Cell]:
    p50, p95, p99 = (Cell(amounts.span(value_s)) for value_s in (total.p50_s, total.p95_s, total.p99_s))
    return p50, p95, p99


def _workers(model: ModelReading) -> str:
    number = workers_of(model)
    if number is None:
        return amounts.UNKNOWN
    silent = f", {model.workers_silent} silent" if model.workers_silent else ""
    return f"{amounts.count(model.workers_busy)} of {number}{silent}"


def priorities_table(reading: Reading) -> Table:
    """Return what waits by priority, of the models that jobs wait for."""
    rows = [
        Row(
            model.model,
            [Cell(model.model), *(Cell(_at_priority(model, priority)) for priority in HIGHEST_FIRST)],
            model.model,
        )
        for model in in_order(reading)
        if any(model.waiting)
    ]
    return Table("priorities", "Waiting jobs by priority", _PRIORITIES, rows, "No job waits.")


def _at_priority(model: ModelReading, priority: int) -> str:
    waiting = model.waiting[priority]
    return f"{waiting:,} ({amounts.span(model.oldest_s[priority])})" if waiting else amounts.UNKNOWN


def stages_table(reading: Reading) -> Table:
    """Return how long jobs were in each stage, of the models whose jobs ended."""
    rows = [
        Row(
            model.model,
            [Cell(model.model), *(Cell(_in_stage(model, stage)) for stage in FROM_LEDGER)],
            model.model,
        )
        for model in in_order(reading)
        if any(times.count for times in model.stages.values())
    ]
    return Table("stages", "Stages: p50 / p95 / p99", _STAGES, rows, "No job ended lately.")


def _in_stage(model: ModelReading, stage: Stage) -> str:
    times = model.stages.get(stage)
    return amounts.UNKNOWN if times is None else amounts.spans((times.p50_s, times.p95_s, times.p99_s))


def batches_table(reading: Reading) -> Table:
    """Return the batches of the models that run any."""
    rows = [_batches(model) for model in in_order(reading) if _has_batches(model)]
    return Table("batches", "Batches", _BATCHES, rows, "No batch ran lately.")


def _has_batches(model: ModelReading) -> bool:
    return bool(model.batches or model.batch_size or model.retries or model.died)


def _batches(model: ModelReading) -> Row:
    cells = [
        Cell(model.model),
        Cell(amounts.count(model.batches)),
        Cell(amounts.count(model.batch_jobs)),
        Cell(amounts.count(model.lanes)),
        Cell(amounts.mean(model.batch_size)),
        Cell(amounts.part(model.padding)),
        Cell(_reasons(model.seals)),
        Cell(amounts.count(model.retries), "amber" if model.retries else ""),
        Cell(amounts.count(model.died), "red" if model.died else ""),
    ]
    return Row(model.model, cells, model.model)


def _reasons(seals: dict[str, int]) -> str:
    """Return the reasons with their parts, the most frequent first."""
    whole = sum(seals.values())
    ordered = sorted(seals.items(), key=lambda pair: (-pair[1], pair[0]))
    return (
        ", ".join(f"{reason} {number / whole:.0%}" for reason, number in ordered if number) or amounts.UNKNOWN
    )


def letters_table(reading: Reading) -> Table:
    """Return the dead letters by fingerprint, the largest group first."""
    groups = [(model, failure) for model in reading.models for failure in model.failures]
    groups.sort(key=lambda group: -group[1].count)
    rows = [_letters(model, failure, reading.at) for model, failure in groups]
    return Table("letters", "Dead letters", _LETTERS, rows, "There is no dead letter.")


def _letters(model: ModelReading, failure: Failure, at: float) -> Row:
    cells = [
        Cell(model.model),
        Cell(failure.kind),
        Cell(failure.fingerprint, "", failure.href),
        Cell(amounts.count(failure.count), "red"),
        Cell(f"{amounts.span(max(0.0, at - failure.first))} ago"),
        Cell(f"{amounts.span(max(0.0, at - failure.last))} ago"),
    ]
    return Row(f"{model.model}/{failure.kind}/{failure.fingerprint}", cells, model.model)
