"""The items of one key that may share a batch, in one queue per priority."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import merge
from itertools import islice
from typing import Generic

from jobs.core.batching.fair_queue import FairQueue, Token, Waiting
from jobs.core.priority import broker_level

AGING_S = 5.0  # one priority level counts as much as waiting for so long


@dataclass(slots=True)
class Group(Generic[Token]):
    """A group, which is never empty in the policy; `lingering` means that it waits beside an idle device.

    `slow` says that its items came to the slow lane, whatever the lane of their version.
    """

    key: Hashable
    isolation_group: int = 0
    slow: bool = False
    queues: dict[int, FairQueue[Token]] = field(default_factory=dict)
    lingering: bool = False

    def __len__(self) -> int:
        return sum(map(len, self.queues.values()))

    def __iter__(self) -> Iterator[Waiting[Token]]:
        return (item for queue in self.queues.values() for item in queue)

    def add(self, item: Waiting[Token]) -> None:
        """Add the item to the queue of its priority."""
        queue = self.queues.get(item.priority)
        if queue is None:
            queue = self.queues[item.priority] = FairQueue()
        queue.add(item)

    @property
    def aged_s(self) -> float:
        """Return the urgency of the most urgent queue: its earliest due time, made earlier by priority."""
        return min(queue.due_s - priority * AGING_S for priority, queue in self.queues.items())

    @property
    def oldest_s(self) -> float:
        """Return the earliest arrival at the heads of the lines."""
        return min(queue.oldest_s for queue in self.queues.values())

    @property
    def deadline_s(self) -> float:
        """Return the earliest deadline at the heads of the lines, or infinity."""
        return min(queue.deadline_s for queue in self.queues.values())

    def first(self, count: int) -> list[Waiting[Token]]:
        """Return up to `count` items: clients of a priority in turn, priorities merged by urgency."""
        return self._first_of(list(self.queues), count)

    def same_level(self, *, least: int, most: int) -> list[Waiting[Token]]:
        """Return up to `most` items of the most urgent level, or of all if it has fewer than `least`.

        Levels are those of the broker: finer ones would leave too few items to match lengths among.
        """
        urgent = min(self.queues, key=lambda priority: self.queues[priority].due_s - priority * AGING_S)
        near = [p for p in self.queues if broker_level(p) == broker_level(urgent)]
        if sum(len(self.queues[priority]) for priority in near) < least:
            return self.first(least)
        return self._first_of(near, most)

    def remove(self, chosen: Sequence[Waiting[Token]]) -> None:
        """Remove items, given in the order of turns."""
        for priority in {item.priority for item in chosen}:
            self.queues[priority].remove([item for item in chosen if item.priority == priority])
            if not self.queues[priority]:
                del self.queues[priority]

    def discard(self, unwanted: Callable[[Token], bool]) -> list[Token]:
        """Remove and return the tokens for which `unwanted` is true."""
        dropped = [item for item in self if unwanted(item.token)]
        self.remove(dropped)
        return [item.token for item in dropped]

    def _first_of(self, priorities: list[int], count: int) -> list[Waiting[Token]]:
        if len(priorities) == 1:
            return self.queues[priorities[0]].first(count)
        lines = (self.queues[priority].first(count) for priority in priorities)
        return list(islice(merge(*lines, key=_aged), count))


def _aged(item: Waiting[Token]) -> float:
    return item.due_s - item.priority * AGING_S
