"""Which versions a worker is to hold in memory, and how firmly."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wanted:
    """Versions that a worker's models need, by id.

    An alias points at each of `stable`, is to be moved to each of `coming`, and has left those of `warm` a
    short time ago: jobs that were accepted before, and a roll-back, find these in memory. A roll-out routes
    jobs to each of `routed`, beside those that aliases point at; the candidate of one at its gate is coming.
    """

    stable: tuple[int, ...] = ()
    coming: tuple[int, ...] = ()
    warm: tuple[int, ...] = ()
    routed: tuple[int, ...] = ()

    @property
    def to_load(self) -> tuple[int, ...]:
        """Return the versions to load, those first that have traffic."""
        return tuple(dict.fromkeys((*self.with_traffic, *self.coming)))

    @property
    def with_traffic(self) -> tuple[int, ...]:
        """Return the versions that jobs are routed to; where they do not fit together, they take turns."""
        return (*self.stable, *self.routed)


class Orders:
    """Which of the wanted versions are to be loaded now: each once, when it becomes wanted.

    One that fails, or leaves for another, is loaded again when a job needs it, or when it is wanted anew.
    """

    def __init__(self) -> None:
        self._seen = frozenset[tuple[int, bool]]()

    def due(self, wanted: Wanted, loaded: Collection[int]) -> list[int]:
        """Return the versions to load now, in order."""
        seen = frozenset((version, version in wanted.coming) for version in wanted.to_load)
        new = {version for version, _ in seen - self._seen}
        self._seen = seen
        return [version for version in wanted.to_load if version in new and version not in loaded]
