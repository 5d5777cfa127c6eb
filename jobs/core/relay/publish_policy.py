"""How many messages a queue gets: few, so that the exact order of priorities stays in Postgres."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

from jobs.core.messages.bundle import MOST_JOBS
from jobs.core.priority import HIGHEST, LEVELS, LOWEST, broker_level

BUNDLES_A_BATCH = 8  # so that a bundle of the smallest batches is one job
MESSAGES_A_LOOK = 64  # for fewer it does not pay to bundle jobs

FAST_TURNS, FAST_CREDIT = 64, 256  # jobs
VISIBILITY_S = 30.0
VISIBILITY_CAP_S = 300.0


class InTurn(Protocol):
    """A row with its number among the rows of its client, rows in flight included."""

    @property
    def turn(self) -> int: ...  # noqa: D102


Row = TypeVar("Row", bound=InTurn)


class FastSide:
    """Chooses rows of clients with little in flight to go before the other jobs of their level.

    At most every second job is chosen, so that many small clients never starve the others.
    """

    def __init__(self) -> None:
        """Begin with credit for a burst."""
        self._credit = FAST_CREDIT

    def choose(self, rows: Sequence[Row]) -> list[bool]:
        """Return for each row, in the order of publishing, whether it goes on the fast side."""
        return [self.may(row.turn) for row in rows]

    def may(self, turn: int) -> bool:
        """Return whether the next row, its client's `turn`-th, goes on the fast side."""
        fast = turn <= FAST_TURNS and self._credit > 0
        self._credit = min(FAST_CREDIT, self._credit + (-1 if fast else 1))
        return fast


def rooms(in_flight: Mapping[tuple[int, int], int], depth: int) -> dict[int, int]:
    """Return for each API priority how many jobs its level may still get.

    `in_flight` counts jobs published and not yet claimed, by API priority and client. A level is full when
    it and the levels above it hold `depth`; jobs of lower levels take none of its room.
    """
    at_level = [0] * LEVELS
    for (priority, _), count in in_flight.items():
        at_level[broker_level(priority)] += count
    return {
        priority: max(0, depth - sum(at_level[broker_level(priority) :]))
        for priority in range(HIGHEST, LOWEST - 1, -1)
    }


def reserve(depth: int) -> int:
    """Return how many jobs a client may have in flight at a priority, however full its level is."""
    return min(FAST_TURNS, depth // 8)


def copies_are_useless(*, ready: int, bundled: int, consumers: int, in_flight: int) -> bool:
    """Return whether messages that were published and not claimed in time still wait in their queue.

    They do if the broker holds as many jobs as are in flight. A copy is useless too if no worker consumes.
    `ready` counts the messages that no consumer has, each of up to `bundled` jobs; `in_flight` counts jobs.
    """
    return ready * bundled >= in_flight or (ready > 0 and consumers == 0)


def jobs_a_message(*, rows: int, max_batch: int) -> int:
    """Return how many of the `rows` to publish go into one message: one, unless there is a backlog."""
    return max(1, min(rows // MESSAGES_A_LOOK, max_batch // BUNDLES_A_BATCH, MOST_JOBS))
