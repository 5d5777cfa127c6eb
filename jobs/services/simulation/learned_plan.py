"""A model version as it is registered, with the times that its batches show: the simulator's start."""

from __future__ import annotations

from dataclasses import replace

from jobs.core.batching.lane_choice import Lane
from jobs.core.batching.sealed_batch import BatchLimits
from jobs.core.relay.queue_depth import prefetch
from jobs.core.simulation.plan import Crew, Model, SimulationPlan
from jobs.services.simulation.learn_times import LearnedTimes, learn_times, version_of
from models_registry.core.version import VersionInfo

CREW = Crew()


def learned_plan(
    *, model: str, version: str | None = None, window_s: float, crew: Crew = CREW
) -> SimulationPlan:
    """Return the plan of a version, by its row id, on this crew, whose prefetch becomes that of a worker.

    ModelNotFoundError, or NoHistoryError without a batch in the last `window_s`; UnavailableError.
    """
    times = learn_times(model=model, version=version, window_s=window_s)
    info = version_of(model, version)
    own = replace(crew, prefetch=prefetch(info.max_batch))
    return SimulationPlan({info.id: registered(info, times)}, own, times.overheads)


def registered(info: VersionInfo, times: LearnedTimes) -> Model:
    """Return a version with its registered limits and its learned times."""
    options = info.platform_options
    return Model(
        times.run,
        BatchLimits(
            info.max_batch,
            info.max_padded_size,
            info.padded,
            info.p95_goal_s,
            lane=Lane(options.lane),
            slow_slice_s=options.slow_slice_s,
        ),
        options.max_waiting,
        queue=info.model,
        load_s=times.load_s or 0.0,
        retry=options.retry,
        max_attempts=info.max_attempts,
        slow_above_s=options.slow_above_s,
    )
