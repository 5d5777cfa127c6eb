"""How many messages a queue gets: shallow, so that true priority order stays in Postgres."""

from __future__ import annotations

from collections.abc import Mapping

from jobs.core.priority import HIGHEST, LEVELS, LOWEST, broker_level

VISIBILITY_S = 30.0
VISIBILITY_CAP_S = 300.0


def rooms(in_flight: Mapping[int, int], depth: int) -> dict[int, int]:
    """Return for each API priority how many messages its level may still get.

    `in_flight` counts messages published and not yet claimed, by API priority. A level is full when it and
    the levels above it hold `depth`: what waits below it takes none of its room.
    """
    at_level = [0] * LEVELS
    for priority, count in in_flight.items():
        at_level[broker_level(priority)] += count
    return {
        priority: max(0, depth - sum(at_level[broker_level(priority) :]))
        for priority in range(HIGHEST, LOWEST - 1, -1)
    }


def copies_are_useless(*, ready: int, consumers: int, in_flight: int) -> bool:
    """Say whether messages that were published and not claimed in time still wait in their queue.

    They do where the broker holds as many as are in flight; and where nobody consumes, a copy of what is
    there helps nobody. `ready` counts what the broker holds and no consumer has.
    """
    return ready >= in_flight or (ready > 0 and consumers == 0)
