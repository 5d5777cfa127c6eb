"""Which loaded versions share a device's memory, and which of them leave so that another fits.

Least recently used goes first; one in use never goes, nor does one that is pinned. Bytes are those that
remain occupied between batches: what a batch needs while it runs is to be left out of the budget.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Evict:
    """There is room once these versions have left, in this order; there may be none to wait for."""

    versions: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Wait:
    """There will be room once these versions are no longer in use."""

    versions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Never:
    """There will not be room: without what is pinned, the budget leaves `room_bytes`."""

    room_bytes: int


@dataclass(slots=True)
class _Resident:
    size_bytes: int
    used: int
    users: int = 0
    pinned: bool = False


class Residency:
    """The versions in one device's memory; `budget_bytes` None is no limit."""

    def __init__(self, budget_bytes: int | None = None) -> None:
        self.budget_bytes = budget_bytes
        self._residents: dict[int, _Resident] = {}
        self._turns = 0

    def __contains__(self, version: int) -> bool:
        return version in self._residents

    @property
    def occupied_bytes(self) -> int:
        """Return the bytes of all versions together."""
        return sum(resident.size_bytes for resident in self._residents.values())

    @property
    def in_use(self) -> frozenset[int]:
        """Return the versions that were acquired more often than released."""
        return frozenset(version for version, resident in self._residents.items() if resident.users)

    def room_for(self, version: int, size_bytes: int) -> Evict | Wait | Never:
        """Decide what has to leave so that `version`, there or not, may occupy `size_bytes`."""
        if self.budget_bytes is None:
            return Evict()
        others = {v: resident for v, resident in self._residents.items() if v != version}
        room = self.budget_bytes - sum(each.size_bytes for each in others.values() if each.pinned)
        if size_bytes > room:
            return Never(room)
        occupied = sum(each.size_bytes for each in others.values())
        return _plan(others, occupied + size_bytes - self.budget_bytes)

    def add(self, version: int, size_bytes: int) -> None:
        """Note a version that occupies `size_bytes`, used just now by nobody."""
        self._residents[version] = _Resident(size_bytes, self._turn())

    def resize(self, version: int, size_bytes: int) -> None:
        """Note what a version occupies as it turned out."""
        self._residents[version].size_bytes = size_bytes

    def remove(self, version: int) -> None:
        """Note that a version has left."""
        del self._residents[version]

    def acquire(self, version: int) -> None:
        """Note one more user, who keeps the version from leaving."""
        resident = self._residents[version]
        resident.users, resident.used = resident.users + 1, self._turn()

    def release(self, version: int) -> None:
        """Note one user less."""
        resident = self._residents[version]
        if not resident.users:
            raise ValueError(f"version {version} is released more often than it was acquired")
        resident.users -= 1

    def pin(self, version: int, *, pinned: bool = True) -> None:
        """Keep the version from leaving, used or not, or allow it again."""
        self._residents[version].pinned = pinned

    def _turn(self) -> int:
        self._turns += 1
        return self._turns


def _plan(others: Mapping[int, _Resident], excess_bytes: int) -> Evict | Wait:
    # What is pinned may not leave, and what occupies nothing would free nothing.
    movable = [v for v, resident in others.items() if not resident.pinned and resident.size_bytes]
    leaving = []
    for version in sorted(movable, key=lambda v: others[v].used):
        if excess_bytes > 0 and not others[version].users:
            leaving.append(version)
            excess_bytes -= others[version].size_bytes
    if excess_bytes > 0:
        return Wait(tuple(version for version in movable if others[version].users))
    return Evict(tuple(leaving))
