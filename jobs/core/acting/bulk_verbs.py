"""The acts on all jobs that match, the states they apply to, and how many jobs a slice takes."""

from __future__ import annotations

import math
from enum import StrEnum

from jobs.core.states import State, Verb, sources

SLICE_S = 0.5
MOST_A_SLICE = 200  # their rows stay locked until the slice is committed
SLOWEST_PER_S, FASTEST_PER_S = 0.01, 10_000.0


class BulkVerb(StrEnum):
    """What is done to each job."""

    CANCEL = "cancel"
    REPLAY = "replay"
    DISCARD = "discard"

    @property
    def states(self) -> list[State]:
        """Return the states of jobs that it applies to; a discard is one of a dead job's letter."""
        if self is BulkVerb.DISCARD:
            return [State.DEAD]
        return [State(state) for state in sources(Verb(self.value))]


class BulkState(StrEnum):
    """How far an act is."""

    RUNNING = "running"
    STOPPED = "stopped"
    FINISHED = "finished"


def slice_size(rate_per_s: float) -> int:
    """Return how many jobs a slice takes, so that an act keeps to its rate in small steps."""
    return max(1, min(MOST_A_SLICE, math.ceil(rate_per_s * SLICE_S)))
