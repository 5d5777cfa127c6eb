"""Which loaded versions share a device's memory, and which are evicted so that another fits.

The least recently used is evicted first; a version in use or pinned never is. A version occupies its size
between batches too, and its working bytes only while one of its batches runs. As many batches run at once as
the worker has lanes: so of the working bytes those of that many versions count, the largest.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from heapq import nlargest
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Evict:
    """There is room once these versions are evicted, in this order; empty if there is room already."""

    versions: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Wait:
    """There is room once these versions are no longer in use."""

    versions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Never:
    """There is never room: beside the pinned versions the budget leaves `room_bytes`."""

    room_bytes: int


class MemoryNeeds(NamedTuple):
    """The bytes that a version occupies between batches, and those that one of its batches needs besides."""

    size_bytes: int
    working_bytes: int = 0


@dataclass(slots=True)
class _Resident:
    size_bytes: int
    used: int
    users: int = 0
    working_bytes: int = 0


class Residency:
    """The versions in one device's memory; without a limit if `budget_bytes` is None."""

    def __init__(self, budget_bytes: int | None = None, lanes: int = 1) -> None:
        self.budget_bytes, self.lanes = budget_bytes, lanes
        self._residents: dict[int, _Resident] = {}
        self._turns = 0
        self._pinned, self._shared, self._warm = frozenset[int](), frozenset[int](), frozenset[int]()

    def __contains__(self, version: int) -> bool:
        return version in self._residents

    @property
    def occupied_bytes(self) -> int:
        """Return the bytes that all versions occupy together, with running batches."""
        return self._bytes_of(self._residents.values())

    @property
    def in_use(self) -> frozenset[int]:
        """Return the versions that have users."""
        return frozenset(version for version, resident in self._residents.items() if resident.users)

    def room_for(self, version: int, size_bytes: int, working_bytes: int = 0) -> Evict | Wait | Never:
        """Decide what to evict so that `version`, resident or not, can occupy these bytes and run batches."""
        if self.budget_bytes is None:
            return Evict()
        others = {v: resident for v, resident in self._residents.items() if v != version}
        pinned = self._pinned & others.keys()
        if version in self._shared and size_bytes > self._room(pinned, working_bytes):
            pinned -= self._shared  # versions that all have traffic and do not fit together take turns
        if size_bytes > self._room(pinned, working_bytes):
            return Never(self._room(pinned, working_bytes))
        free = {v: resident for v, resident in others.items() if v not in pinned}
        return self._plan(free, lambda gone: size_bytes - self._room(others.keys() - gone, working_bytes))

    def _room(self, beside: Collection[int], working_bytes: int) -> int:
        """Return what versions and running batches leave to the weights of one with these working bytes."""
        others = [self._residents[version] for version in beside]
        return (self.budget_bytes or 0) - self._bytes_of(
            [*others, _Resident(0, 0, working_bytes=working_bytes)]
        )

    def _bytes_of(self, residents: Collection[_Resident]) -> int:
        running = nlargest(self.lanes, (resident.working_bytes for resident in residents))
        return sum(resident.size_bytes for resident in residents) + sum(running)

    def _plan(
        self, others: Mapping[int, _Resident], excess: Callable[[Collection[int]], int]
    ) -> Evict | Wait:
        """Decide what to evict; `excess` returns the bytes that are too many once versions are gone."""
        # A version that occupies nothing would free nothing.
        evictable = [v for v, resident in others.items() if resident.size_bytes or resident.working_bytes]
        evicted = list[int]()
        for version in sorted(evictable, key=lambda v: (v in self._warm, others[v].used)):
            if not others[version].users and excess(evicted) > 0:
                evicted.append(version)
        if excess(evicted) > 0:
            return Wait(tuple(version for version in evictable if others[version].users))
        return Evict(tuple(evicted))

    def next_out(self, version: int) -> int | None:
        """Return the version to evict next for `version`, which ran out of memory; None where none may be."""
        free = [v for v, resident in self._residents.items() if v != version and not resident.users]
        free = [v for v in free if v not in self._pinned or (v in self._shared and version in self._shared)]
        order = sorted(free, key=lambda v: (v in self._pinned, v in self._warm, self._residents[v].used))
        return next(iter(order), None)

    def add(self, version: int, size_bytes: int, working_bytes: int = 0) -> None:
        """Add a version that occupies `size_bytes`, the most recently used, without users."""
        self._residents[version] = _Resident(size_bytes, self._turn(), working_bytes=working_bytes)

    def resize(self, version: int, size_bytes: int, working_bytes: int = 0) -> None:
        """Set the bytes that a version occupies, and that its batches need, once they are measured."""
        resident = self._residents[version]
        resident.size_bytes, resident.working_bytes = size_bytes, working_bytes

    def remove(self, version: int) -> None:
        """Remove a version."""
        del self._residents[version]

    def acquire(self, version: int) -> None:
        """Add a user; a version with users is not evicted."""
        resident = self._residents[version]
        resident.users, resident.used = resident.users + 1, self._turn()

    def release(self, version: int) -> None:
        """Remove a user."""
        resident = self._residents[version]
        if not resident.users:
            raise ValueError(f"version {version} is released more often than it was acquired")
        resident.users -= 1

    def keep(self, *, pinned: Iterable[int], shared: Iterable[int], warm: Iterable[int]) -> None:
        """Set what is pinned, resident or not, what of it may replace each other, and what to evict last."""
        self._pinned, self._shared, self._warm = frozenset(pinned), frozenset(shared), frozenset(warm)

    def _turn(self) -> int:
        self._turns += 1
        return self._turns
