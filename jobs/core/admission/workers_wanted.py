"""How many workers a model should have. Pure."""

from __future__ import annotations

import math

BUSY_SHARE = 0.8  # workers that are always busy let a queue grow without end
CATCH_UP_S = 30.0  # a backlog is to be gone within so long: a worker that starts needs most of it


def workers_wanted(
    *, arrivals_per_s: float, waiting: int, worker_per_s: float | None, goal_s: float, busy: int = 0
) -> int:
    """Return how many workers do what arrives, and soon what waits beyond the goal; 0 if there is nothing.

    `worker_per_s` is what one worker finishes a second, and None asks for one worker, which will tell. A
    worker that is `busy` is wanted.
    """
    if not waiting and not arrivals_per_s:
        return busy
    if not worker_per_s:
        return max(1, busy)
    late = max(0.0, waiting - arrivals_per_s * goal_s)
    per_s = arrivals_per_s / BUSY_SHARE + late / max(CATCH_UP_S, goal_s)
    return max(1, busy, math.ceil(per_s / worker_per_s))
