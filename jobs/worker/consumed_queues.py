"""Which queues a worker consumes for its models: by its lane, and by the models that have a slow lane."""

from __future__ import annotations

from collections.abc import Collection

from jobs.core.batching.lane_choice import Lane
from jobs.core.errors import NoSlowLaneError
from jobs.core.queue_names import slow_queue
from models_registry import selectors


def queues_for(models: Collection[str], lane: Lane) -> list[str]:
    """Return the queues that a worker of the lane consumes: the models' own, and those of their slow lanes.

    A worker for the slow lane has none of a model without one.
    """
    slow = [] if lane is Lane.FAST else selectors.slow_models(models)
    own = [] if lane is Lane.SLOW else list(models)
    return [*own, *map(slow_queue, slow)]


def refuse_without_slow_lane(models: Collection[str], lane: Lane) -> None:
    """Raise NoSlowLaneError where a worker for the slow lane would serve a model that has none."""
    missing = sorted({*models} - {*selectors.slow_models(models)}) if lane is Lane.SLOW else []
    if missing:
        raise NoSlowLaneError(
            f"No version of {', '.join(missing)} has slow jobs, so a worker with --lane slow would have none"
            " to run. Register one with the option `lane` (slow or auto) or `slow_above_s`, or start the"
            " worker without --lane."
        )
