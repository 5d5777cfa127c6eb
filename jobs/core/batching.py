"""The batching policy: one plain object without clock, thread or queue.

A batch is sealed as late as it can be: when the device is idle, or just in time for it to become so, or
when a full batch is there. Which items go together follows urgency (arrival, brought forward by priority)
and, where items are padded to the longest, what the learned service time says is cheapest per item.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

from jobs.core.service_time import ServiceTime

Token = TypeVar("Token", bound=Hashable)

AGING_S = 5.0  # one priority level weighs as much as this much waiting; bounds starvation to 9 levels of it


class SealReason(StrEnum):
    """Why a batch was sealed when it was."""

    FULL = "full"
    DEADLINE = "deadline"
    SLO = "slo"
    IDLE = "idle"
    LINGER = "linger"
    DRAIN = "drain"
    MEMORY = "memory"


@dataclass(frozen=True, slots=True)
class Limits:
    """A model version's bounds: items a batch, padded size a batch (0: none), and whether length matters."""

    max_batch: int = 64
    max_padded_size: int = 0
    pads: bool = False


@dataclass(frozen=True, slots=True, order=True)
class Waiting(Generic[Token]):
    """One item in the buffer, ordered by urgency."""

    rank: float
    serial: int
    arrived_s: float = field(compare=False)
    size: int = field(compare=False)
    priority: int = field(compare=False)
    token: Token = field(compare=False)


@dataclass(frozen=True, slots=True)
class Sealed(Generic[Token]):
    """A batch of one key: its items most urgent first, its padded size, and why it was sealed now."""

    key: Hashable
    tokens: list[Token]
    padded_size: int
    reason: SealReason
    waited_s: float


class BatchPolicy(Generic[Token]):
    """Decides which items make the next batch and when; `limits` gives the bounds of a key."""

    def __init__(self, limits: Callable[[Hashable], Limits]) -> None:
        self._limits = limits
        self._groups: dict[Hashable, list[Waiting[Token]]] = {}
        self._service: dict[Hashable, ServiceTime] = {}
        self._serial = 0
        self._claim_s = 0.005

    def __len__(self) -> int:
        return sum(map(len, self._groups.values()))

    def __iter__(self) -> Iterator[Token]:
        return (item.token for group in self._groups.values() for item in group)

    def add(self, token: Token, now: float, *, key: Hashable, size: int = 0, priority: int = 0) -> None:
        """Put one item into the buffer."""
        self._serial += 1
        rank = now - priority * AGING_S
        waiting = Waiting(rank, self._serial, now, max(size, 1), priority, token)
        insort(self._groups.setdefault(key, []), waiting)

    def discard(self, unwanted: Callable[[Token], bool]) -> list[Token]:
        """Drop and return the items that `unwanted` says yes to."""
        gone = [token for token in self if unwanted(token)]
        for key, group in list(self._groups.items()):
            self._keep(key, [item for item in group if not unwanted(item.token)])
        return gone

    def due_at(self, now: float, *, device_free_at: float) -> float | None:
        """Return when `take` will seal a batch if nothing else comes: `now` for at once, None for never."""
        key = self._most_urgent()
        if key is None:
            return None
        if len(self._groups[key]) >= self._limits(key).max_batch:
            return now
        return max(now, device_free_at - 2.0 * self._claim_s)

    def take(
        self, now: float, *, device_free_at: float = 0.0, draining: bool = False
    ) -> Sealed[Token] | None:
        """Seal and return the next batch if it is due, else None."""
        due = self.due_at(now, device_free_at=device_free_at)
        key = self._most_urgent()
        if due is None or key is None or (due > now and not draining):
            return None
        chosen = self._choose(key)
        full = len(chosen) >= self._limits(key).max_batch
        reason = SealReason.FULL if full else SealReason.DRAIN if draining else SealReason.IDLE
        return self._seal(key, chosen, reason, now)

    def observe(self, key: Hashable, padded_size: int, seconds: float) -> None:
        """Learn from one run of `padded_size` that took `seconds`."""
        self.service_time(key).observe(padded_size, seconds)

    def observe_claim(self, seconds: float) -> None:
        """Learn how long a claim takes: that much before the device is free the next batch is sealed."""
        self._claim_s += 0.1 * (min(seconds, 1.0) - self._claim_s)

    def service_time(self, key: Hashable) -> ServiceTime:
        """Return the learned service time of `key`."""
        return self._service.setdefault(key, ServiceTime())

    def _most_urgent(self) -> Hashable | None:
        return min(self._groups, key=lambda key: self._groups[key][0], default=None)

    def _choose(self, key: Hashable) -> list[Waiting[Token]]:
        group, limits = self._groups[key], self._limits(key)
        if not limits.pads:
            return group[: limits.max_batch]
        return cheapest_window(_candidates(group, limits), group[0], limits, self.service_time(key))

    def _seal(
        self, key: Hashable, chosen: list[Waiting[Token]], reason: SealReason, now: float
    ) -> Sealed[Token]:
        serials = {item.serial for item in chosen}
        self._keep(key, [item for item in self._groups[key] if item.serial not in serials])
        padded = len(chosen) * max(item.size for item in chosen)
        waited = now - min(item.arrived_s for item in chosen)
        return Sealed(key, [item.token for item in chosen], padded, reason, waited)

    def _keep(self, key: Hashable, items: list[Waiting[Token]]) -> None:
        if items:
            self._groups[key] = items
        else:
            self._groups.pop(key, None)


def _candidates(group: list[Waiting[Token]], limits: Limits) -> list[Waiting[Token]]:
    """Return the items of the most urgent one's priority, filled up with others while a batch has room."""
    same = [item for item in group if item.priority == group[0].priority]
    if len(same) >= limits.max_batch:
        return same
    others = [item for item in group if item.priority != group[0].priority]
    return same + others[: limits.max_batch - len(same)]


def cheapest_window(
    items: list[Waiting[Token]], anchor: Waiting[Token], limits: Limits, service: ServiceTime
) -> list[Waiting[Token]]:
    """Return the run of similar sizes around `anchor` that costs least per item, within the limits.

    Sorted by size, for each longest item the fullest window is the cheapest, so only those are compared.
    The anchor goes even where it alone is over the padded limit.
    """
    by_size = sorted(items, key=lambda item: (item.size, item.serial))
    at = by_size.index(anchor)
    best, best_cost = (at, at), float("inf")
    for last in range(at, min(len(by_size), at + limits.max_batch)):
        count = _room(by_size[last].size, limits, last + 1)
        if last - count + 1 > at:
            break
        cost = service.seconds(count * by_size[last].size) / count
        if cost < best_cost:
            best, best_cost = (last - count + 1, last), cost
    return by_size[best[0] : best[1] + 1]


def _room(longest: int, limits: Limits, most: int) -> int:
    room = min(limits.max_batch, most)
    if limits.max_padded_size:
        room = min(room, limits.max_padded_size // longest)
    return max(room, 1)
