"""Where simulated jobs and models come from: made up, a CSV file, or the platform's own records."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from django.core.management.base import CommandError

from jobs.core.batching.sealed_batch import BatchLimits
from jobs.core.batching.service_time import ServiceTime
from jobs.core.priority import DEFAULT, broker_level
from jobs.core.simulation.arrivals import Arrival, Chance, Mix, bursts, poisson
from jobs.core.simulation.plan import Model, Timing
from jobs.management.simulate.simulation_arguments import SimulationArguments
from jobs.services.reads.history import recorded_jobs, recorded_runs
from models_registry import selectors

RUNS = 2_000  # the newest of the ledger, from which a version's time is learned
BASE_S, PER_ITEM_S, MAX_BATCH, GOAL_S = 0.005, 0.0001, 64, 2.0  # the built-in `sleeper`


def made_up(asked: SimulationArguments, rate_per_s: float, chance: Chance) -> Iterator[Arrival]:
    """Yield jobs at a rate, one by one or in bursts."""
    mix = Mix(asked.sizes, asked.priorities, asked.clients, asked.deadline_s)
    if asked.burst:
        return bursts(asked.burst, asked.burst / rate_per_s, chance, mix=mix, until_s=asked.duration_s)
    return poisson(rate_per_s, chance, mix=mix, until_s=asked.duration_s)


def recorded(asked: SimulationArguments) -> list[Arrival] | None:
    """Return the jobs of a file or of the database in order, the first at 0; None where not asked for."""
    if asked.csv:
        found = _in_order(_of_file(Path(asked.csv)))[-asked.limit :]
    elif asked.from_history:
        rows = recorded_jobs(asked.from_history, limit=asked.limit)
        found = _in_order(Arrival(at_s, max(size, 1), *rest) for at_s, size, *rest in rows)
    else:
        return None
    if not found:
        raise CommandError("there are no recorded jobs to simulate")
    return found


def _of_file(path: Path) -> list[Arrival]:
    try:
        with path.open(newline="") as file:
            return [_of_row(row) for row in csv.DictReader(file)]
    except (OSError, ValueError, KeyError) as error:
        raise CommandError(f"{path}: {type(error).__name__}: {error}") from error


def _of_row(row: dict[str, str]) -> Arrival:
    priority = int(row.get("priority") or DEFAULT)
    broker_level(priority)  # ValueError for one that no job can have
    return Arrival(
        float(row["arrival_s"]),
        max(1, int(row.get("size") or 1)),
        priority,
        int(row.get("client") or 0),
        int(row.get("version") or 0),
        float(row["deadline_s"]) if row.get("deadline_s") else None,
    )


def _in_order(arrivals: Iterable[Arrival]) -> list[Arrival]:
    found = sorted(arrivals, key=lambda arrival: arrival.at_s)
    return [
        Arrival(a.at_s - found[0].at_s, a.size, a.priority, a.client, a.version, a.deadline_in_s)
        for a in found
    ]


def models(asked: SimulationArguments, versions: set[int]) -> dict[int, Model]:
    """Return each version's model: as asked for, else as registered and learned from the batch ledger."""
    if asked.from_history is None:
        plain = _as_asked(asked, Model(Timing(BASE_S, PER_ITEM_S), BatchLimits(MAX_BATCH, p95_goal_s=GOAL_S)))
        return dict.fromkeys(versions, plain)
    learned = _learned(asked.from_history, versions)
    return {version: _as_asked(asked, Model(learned[version], _registered(version))) for version in versions}


def _as_asked(asked: SimulationArguments, model: Model) -> Model:
    wishes = {"max_batch": asked.max_batch, "max_padded_size": asked.max_padded_size, "padded": asked.padded}
    limits = {name: wish for name, wish in wishes.items() if wish is not None}
    goal_s = model.limits.p95_goal_s if asked.goal_s is None else asked.goal_s
    base_s = model.run.base_s if asked.base_s is None else asked.base_s
    per_item_s = model.run.per_unit_s if asked.per_item_s is None else asked.per_item_s
    return Model(
        Timing(base_s, per_item_s, asked.jitter),
        replace(model.limits, p95_goal_s=goal_s, **limits),  # type: ignore[arg-type]  # values by name
    )


def _registered(version: int) -> BatchLimits:
    info = selectors.info(version)
    return BatchLimits(info.max_batch, info.max_padded_size, info.padded, info.p95_goal_s)


def _learned(model: str, versions: set[int]) -> dict[int, Timing]:
    service = {version: ServiceTime() for version in versions}
    for version, padded_size, items, ran_s in reversed(recorded_runs(model, limit=RUNS)):
        if version in service:
            units = padded_size if _registered(version).padded else items
            service[version].observe(units, ran_s)
    return {version: Timing(one.fixed_s, one.per_unit_s) for version, one in service.items()}
