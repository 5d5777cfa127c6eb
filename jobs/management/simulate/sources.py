"""The source of simulated jobs and models: generated, a CSV file, or the platform's own records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jobs.core.batching.sealed_batch import BatchLimits
from jobs.core.errors import NoHistoryError
from jobs.core.loadtest.replay_file import ReplayError, from_the_start, parse_replay
from jobs.core.simulation.arrivals import Arrival, Chance, Mix, bursts, poisson
from jobs.core.simulation.learning.learned_times import LearnedTimes
from jobs.core.simulation.plan import Model, Overheads, Timing
from jobs.management.simulate.simulation_arguments import SimulationArguments
from jobs.services.reads.history import recorded_jobs
from jobs.services.simulation.learn_times import learn_times
from jobs.services.simulation.learned_plan import registered
from models_registry import selectors

BASE_S, PER_ITEM_S, MAX_BATCH, GOAL_S = 0.005, 0.0001, 64, 2.0  # the built-in `sleeper`


class NoSourceError(Exception):
    """There is nothing to simulate; the message is one sentence that says what is missing."""


@dataclass(frozen=True, slots=True)
class SimulatedModels:
    """The models by version, and the times around them."""

    models: dict[int, Model]
    overheads: Overheads


def generated(arguments: SimulationArguments, rate_per_s: float, chance: Chance) -> Iterator[Arrival]:
    """Yield jobs at a rate, one by one or in bursts."""
    mix = Mix(arguments.sizes, arguments.priorities, arguments.clients, arguments.deadline_s)
    duration_s, burst = arguments.duration_s, arguments.burst
    if burst:
        return bursts(burst, burst / rate_per_s, chance, mix=mix, until_s=duration_s)
    return poisson(rate_per_s, chance, mix=mix, until_s=duration_s)


def recorded(arguments: SimulationArguments) -> list[Arrival] | None:
    """Return the jobs of the file or the history in order, the first at 0; None if neither is given.

    NoSourceError where there are none; ModelNotFoundError, UnavailableError.
    """
    if arguments.csv:
        return from_the_start(_of_file(Path(arguments.csv))[-arguments.limit :])
    if not arguments.from_history:
        return None
    name = selectors.model(arguments.from_history).name
    if arrivals := recorded_jobs(name, limit=arguments.limit):
        return from_the_start(arrivals)
    raise NoSourceError(f"no job of {name} is stored: send some, or give their arrivals by --rate or --csv")


def _of_file(path: Path) -> list[Arrival]:
    try:
        with path.open(newline="") as file:
            return parse_replay(file)
    except OSError as error:
        raise NoSourceError(f"{path} cannot be read: {error.strerror}") from None
    except (ReplayError, UnicodeDecodeError) as error:
        raise NoSourceError(f"{path}: {error}") from None


def models(arguments: SimulationArguments, versions: set[int]) -> SimulatedModels:
    """Return the model of each version: from the options first, then from the registry and the records.

    NoHistoryError where a version has no batches to learn from, and no options say its times.
    """
    if arguments.from_history is None:
        sleeper = Model(Timing(BASE_S, PER_ITEM_S), BatchLimits(MAX_BATCH, p95_goal_s=GOAL_S))
        return SimulatedModels(
            dict.fromkeys(versions, _with_options(arguments, sleeper)), _overheads(arguments, Overheads())
        )
    times = {version: _times(arguments, version) for version in versions}
    by_version = {
        version: _with_options(arguments, registered(selectors.info(version), times[version]))
        for version in versions
    }
    most = max(times.values(), key=lambda learned: learned.runs)
    return SimulatedModels(by_version, _overheads(arguments, most.overheads))


def _times(arguments: SimulationArguments, version: int) -> LearnedTimes:
    info = selectors.info(version)
    try:
        return learn_times(model=info.model, version=info.version, window_s=arguments.window_s)
    except NoHistoryError:
        if arguments.base_s is None or arguments.per_item_s is None:
            raise
        return LearnedTimes(Timing(), Overheads(), None, (1,), 0.0, 0)


def _with_options(arguments: SimulationArguments, model: Model) -> Model:
    options = {
        "max_batch": arguments.max_batch,
        "max_padded_size": arguments.max_padded_size,
        "padded": arguments.padded,
        "p95_goal_s": arguments.goal_s,
    }
    overrides: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    return replace(model, run=_run(arguments, model.run), limits=replace(model.limits, **overrides))


def _run(arguments: SimulationArguments, run: Timing) -> Timing:
    """Return the time of a run; a line that an option says has no learned steps beside it."""
    given = (arguments.base_s, arguments.per_item_s)
    if given != (None, None):
        base_s, per_unit_s = (
            learned if said is None else said
            for said, learned in zip(given, (run.base_s, run.per_unit_s), strict=True)
        )
        run = replace(run, base_s=base_s, per_unit_s=per_unit_s, by_size=())
    return run if arguments.jitter is None else replace(run, jitter=arguments.jitter, spread=())


def _overheads(arguments: SimulationArguments, learned: Overheads) -> Overheads:
    given: dict[str, Any] = {}
    if arguments.deliver_s is not None:
        given |= {"deliver_s": arguments.deliver_s, "deliver_spread": ()}
    if arguments.claim_s is not None:
        given |= {"claim": Timing(arguments.claim_s)}
    if arguments.settle_s is not None:
        given |= {"settle": Timing(arguments.settle_s)}
    return replace(learned, **given)
