"""The items of one key and priority: in order of due time per client, and the clients in turn.

The turns continue from batch to batch. So with batches of one item, a client with a thousand items gets
only every second place beside another client.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest
from operator import attrgetter
from typing import Generic, TypeVar

Token = TypeVar("Token", bound=Hashable)

PATIENCE_S = 50.0  # an item without a deadline is ordered as if it had this one after its arrival

_due = attrgetter("due_s")


@dataclass(slots=True, eq=False)
class Waiting(Generic[Token]):
    """One item: `due_s` is its place in the order, after `deadline_s` its answer is of no use.

    `size` is its length where a batch is padded, and else what its input takes of the worker's memory.
    """

    token: Token
    arrived_s: float
    size: int
    priority: int
    client: int
    deadline_s: float | None
    due_s: float


class FairQueue(Generic[Token]):
    """One line of items per client; each line in turn gives one item."""

    def __init__(self) -> None:
        self._lines: dict[int, list[Waiting[Token]]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Waiting[Token]]:
        return (item for line in self._lines.values() for item in line)

    def add(self, item: Waiting[Token]) -> None:
        """Add the item to its client's line; a new line is the last in the round."""
        line = self._lines.setdefault(item.client, [])
        if line and line[-1].due_s > item.due_s:
            insort(line, item, key=_due)
        else:
            line.append(item)
        self._count += 1

    @property
    def due_s(self) -> float:
        """Return the earliest due time; the queue must not be empty."""
        return min(line[0].due_s for line in self._lines.values())

    @property
    def oldest_s(self) -> float:
        """Return the earliest arrival among the heads of the lines; the queue must not be empty."""
        return min(line[0].arrived_s for line in self._lines.values())

    @property
    def deadline_s(self) -> float:
        """Return the earliest deadline among the heads of the lines, or infinity."""
        deadlines = (line[0].deadline_s for line in self._lines.values())
        return min((deadline for deadline in deadlines if deadline is not None), default=float("inf"))

    def first(self, count: int) -> list[Waiting[Token]]:
        """Return the next `count` items in the order of turns."""
        if len(self._lines) == 1:
            return next(iter(self._lines.values()))[:count]
        rounds = zip_longest(*(line[:count] for line in self._lines.values()))
        return list(islice((item for turn in rounds for item in turn if item is not None), count))

    def remove(self, chosen: Sequence[Waiting[Token]]) -> None:
        """Remove items, given in the order of turns; the client served last is then the last in the round."""
        for client, count in Counter(item.client for item in chosen).items():
            self._cut(client, count, chosen)
        if len(self._lines) > 1:
            for item in chosen:
                if item.client in self._lines:
                    self._lines[item.client] = self._lines.pop(item.client)
        self._count -= len(chosen)

    def _cut(self, client: int, count: int, chosen: Sequence[Waiting[Token]]) -> None:
        line, removed = self._lines[client], set(map(id, chosen))
        if all(id(item) in removed for item in line[:count]):
            del line[:count]
        else:
            line[:] = [item for item in line if id(item) not in removed]
        if not line:
            del self._lines[client]
