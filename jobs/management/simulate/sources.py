"""The source of simulated jobs and models: generated, a CSV file, or the platform's own records."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from jobs.core.batching.sealed_batch import BatchLimits
from jobs.core.batching.service_time import ServiceTime
from jobs.core.priority import DEFAULT, broker_level
from jobs.core.simulation.arrivals import Arrival, Chance, Mix, bursts, poisson
from jobs.core.simulation.plan import Model, Timing
from jobs.management.simulate.simulation_arguments import SimulationArguments
from jobs.services.reads.history import recorded_jobs, recorded_runs
from models_registry import selectors

RUNS = 2_000  # number of newest batches that give the run time of a version
BASE_S, PER_ITEM_S, MAX_BATCH, GOAL_S = 0.005, 0.0001, 64, 2.0  # the built-in `sleeper`


def generated(arguments: SimulationArguments, rate_per_s: float, chance: Chance) -> Iterator[Arrival]:
    """Yield jobs at a rate, one by one or in bursts."""
    mix = Mix(arguments.sizes, arguments.priorities, arguments.clients, arguments.deadline_s)
    duration_s, burst = arguments.duration_s, arguments.burst
    if burst:
        return bursts(burst, burst / rate_per_s, chance, mix=mix, until_s=duration_s)
    return poisson(rate_per_s, chance, mix=mix, until_s=duration_s)


def recorded(arguments: SimulationArguments) -> list[Arrival] | None:
    """Return the jobs of the file or the history in order, the first at 0; None if neither is given."""
    if arguments.csv:
        arrivals = _in_order(_of_file(Path(arguments.csv)))[-arguments.limit :]
    elif arguments.from_history:
        arrivals = _in_order(recorded_jobs(arguments.from_history, limit=arguments.limit))
    else:
        return None
    if not arrivals:
        raise CommandError("there are no recorded jobs to simulate")
    return arrivals


def _of_file(path: Path) -> list[Arrival]:
    try:
        with path.open(newline="") as file:
            return [_of_row(row) for row in csv.DictReader(file)]
    except (OSError, ValueError, KeyError) as error:
        raise CommandError(f"{path}: {type(error).__name__}: {error}") from error


def _of_row(row: dict[str, str]) -> Arrival:
    priority = int(row.get("priority") or DEFAULT)
    broker_level(priority)  # ValueError outside 0 to 9
    return Arrival(
        float(row["arrival_s"]),
        max(1, int(row.get("size") or 1)),
        priority,
        int(row.get("client") or 0),
        int(row.get("version") or 0),
        float(row["deadline_s"]) if row.get("deadline_s") else None,
    )


def _in_order(arrivals: Iterable[Arrival]) -> list[Arrival]:
    ordered = sorted(arrivals, key=lambda arrival: arrival.at_s)
    return [
        Arrival(a.at_s - ordered[0].at_s, a.size, a.priority, a.client, a.version, a.deadline_in_s)
        for a in ordered
    ]


def models(arguments: SimulationArguments, versions: set[int]) -> dict[int, Model]:
    """Return the model of each version: from the options first, then from the registry and the records."""
    if arguments.from_history is None:
        sleeper = Model(Timing(BASE_S, PER_ITEM_S), BatchLimits(MAX_BATCH, p95_goal_s=GOAL_S))
        return dict.fromkeys(versions, _with_options(arguments, sleeper))
    timings = _recorded_timings(arguments.from_history, versions)
    return {version: _with_options(arguments, _registered(version, timings[version])) for version in versions}


def _with_options(arguments: SimulationArguments, model: Model) -> Model:
    options = {
        "max_batch": arguments.max_batch,
        "max_padded_size": arguments.max_padded_size,
        "padded": arguments.padded,
        "p95_goal_s": arguments.goal_s,
    }
    base_s = model.run.base_s if arguments.base_s is None else arguments.base_s
    per_item_s = model.run.per_unit_s if arguments.per_item_s is None else arguments.per_item_s
    overrides: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    return replace(
        model,
        run=Timing(base_s, per_item_s, arguments.jitter),
        limits=replace(model.limits, **overrides),
    )


def _registered(version: int, run: Timing) -> Model:
    info = selectors.info(version)
    limits = BatchLimits(info.max_batch, info.max_padded_size, info.padded, info.p95_goal_s)
    return Model(run, limits, info.platform_options.max_waiting)


def _recorded_timings(model: str, versions: set[int]) -> dict[int, Timing]:
    service = {version: ServiceTime() for version in versions}
    for run in reversed(recorded_runs(model, limit=RUNS)):
        if run.version in service:
            units = run.padded_size if selectors.info(run.version).padded else run.items
            service[run.version].observe(units, run.ran_s)
    return {version: Timing(time.fixed_s, time.per_unit_s) for version, time in service.items()}
