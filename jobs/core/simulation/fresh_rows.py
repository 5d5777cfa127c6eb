"""The relay's choice among the outbox's rows in virtual time: what `take_fresh` chooses in SQL.

A test compares the two.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from itertools import islice

from jobs.core.simulation.arrivals import Arrival

LEAST_A_CLIENT = 32  # rows looked at, however many clients there are

Key = tuple[int, int]  # priority and client


class OutboxRow:
    """A job that is due for publishing; `turn` is its number among its client's of this priority."""

    __slots__ = ("arrival", "due_s", "retry", "turn")

    def __init__(self, arrival: Arrival, due_s: float, *, retry: bool) -> None:
        self.arrival, self.due_s, self.retry, self.turn = arrival, due_s, retry, 1

    @property
    def version(self) -> int:
        """Return the model version of the job."""
        return self.arrival.version


def choose(
    waiting: Mapping[Key, deque[OutboxRow]],
    rooms: Mapping[int, int],
    *,
    held: Mapping[Key, int],
    most: int,
    reserve: int,
) -> list[OutboxRow]:
    """Return the rows to publish, in their order: highest priority first, clients in turn, then longest due.

    `rooms` bound how many, except for the first `reserve` rows of a client; `held` counts the jobs in flight.
    Each of the `waiting` lines is in the order in which its jobs became due.
    """
    few = max(LEAST_A_CLIENT, 2 * most // max(len(waiting), 1))
    candidates = list[OutboxRow]()
    for key, line in waiting.items():
        before = held.get(key, 0)
        count = min(most, few, max(rooms[key[0]], reserve - before))
        for number, row in enumerate(islice(line, max(count, 0)), before + 1):
            row.turn = number
            candidates.append(row)
    if len(waiting) > 1:
        candidates.sort(key=_order)
    return [
        row
        for number, row in enumerate(candidates[:most], 1)
        if number <= rooms[row.arrival.priority] or row.turn <= reserve
    ]


def _order(row: OutboxRow) -> tuple[int, int, float]:
    return -row.arrival.priority, row.turn, row.due_s
