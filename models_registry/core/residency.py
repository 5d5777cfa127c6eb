"""Which loaded versions share a device's memory, and which are evicted so that another fits.

The least recently used is evicted first; a version in use or pinned never is. Sizes are the bytes that stay
occupied between batches: the budget must leave room for what a running batch needs besides.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass


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


@dataclass(slots=True)
class _Resident:
    size_bytes: int
    used: int
    users: int = 0


class Residency:
    """The versions in one device's memory; without a limit if `budget_bytes` is None."""

    def __init__(self, budget_bytes: int | None = None) -> None:
        self.budget_bytes = budget_bytes
        self._residents: dict[int, _Resident] = {}
        self._turns = 0
        self._pinned, self._shared, self._warm = set[int](), frozenset[int](), frozenset[int]()

    def __contains__(self, version: int) -> bool:
        return version in self._residents

    @property
    def occupied_bytes(self) -> int:
        """Return the bytes that all versions occupy together."""
        return sum(resident.size_bytes for resident in self._residents.values())

    @property
    def in_use(self) -> frozenset[int]:
        """Return the versions that have users."""
        return frozenset(version for version, resident in self._residents.items() if resident.users)

    def room_for(self, version: int, size_bytes: int) -> Evict | Wait | Never:
        """Decide what to evict so that `version`, resident or not, can occupy `size_bytes`."""
        if self.budget_bytes is None:
            return Evict()
        others = {v: resident for v, resident in self._residents.items() if v != version}
        pinned = self._pinned & others.keys()
        if version in self._shared and size_bytes > self._room(pinned):
            pinned -= self._shared  # versions that all have traffic and do not fit together take turns
        if size_bytes > self._room(pinned):
            return Never(self._room(pinned))
        occupied = sum(other.size_bytes for other in others.values())
        free = {v: resident for v, resident in others.items() if v not in pinned}
        return _plan(free, occupied + size_bytes - self.budget_bytes, self._warm)

    def _room(self, pinned: Collection[int]) -> int:
        return (self.budget_bytes or 0) - sum(self._residents[pin].size_bytes for pin in pinned)

    def add(self, version: int, size_bytes: int) -> None:
        """Add a version that occupies `size_bytes`, the most recently used, without users."""
        self._residents[version] = _Resident(size_bytes, self._turn())

    def resize(self, version: int, size_bytes: int) -> None:
        """Set the bytes that a version occupies, once they are measured."""
        self._residents[version].size_bytes = size_bytes

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

    def pin(self, version: int, *, pinned: bool = True) -> None:
        """Protect the version from eviction, in use or not, or end that protection."""
        (self._pinned.add if pinned else self._pinned.discard)(version)

    def keep(self, *, pinned: Iterable[int], shared: Iterable[int], warm: Iterable[int]) -> None:
        """Set what is pinned, resident or not, what of it may replace each other, and what to evict last."""
        self._pinned, self._shared, self._warm = set(pinned), frozenset(shared), frozenset(warm)

    def _turn(self) -> int:
        self._turns += 1
        return self._turns


def _plan(others: Mapping[int, _Resident], excess_bytes: int, warm: Collection[int]) -> Evict | Wait:
    # A version of size 0 would free nothing.
    evictable = [v for v, resident in others.items() if resident.size_bytes]
    evicted = []
    for version in sorted(evictable, key=lambda v: (v in warm, others[v].used)):
        if excess_bytes > 0 and not others[version].users:
            evicted.append(version)
            excess_bytes -= others[version].size_bytes
    if excess_bytes > 0:
        return Wait(tuple(version for version in evictable if others[version].users))
    return Evict(tuple(evicted))
