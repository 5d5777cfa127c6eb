"""The versions in one worker's memory in virtual time, and its loader: one load at a time.

As in the product, a load makes room by evicting what was not used for longest; where all is in use, it waits
for batches to end, and what is to leave gets no further batch.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from jobs.core.simulation.agenda import Agenda
from jobs.core.simulation.plan import SimulationPlan
from models_registry.core.residency import Evict, Residency, Wait

FRESH_S = 5.0  # so long a loaded version is kept for those who asked for it
LEAST_S, MOST_S = 1.0, 10.0  # for which a job without room here is put back


class ResidentModels:
    """Holds versions for batches, and loads those that are missing; `loaded` is called after each load."""

    def __init__(self, plan: SimulationPlan, agenda: Agenda, loaded: Callable[[int], None]) -> None:
        """Begin with the versions that are not cold, as far as there is room.

        ValueError for a version that needs more than there is.
        """
        self._models, self._agenda, self._loaded = plan.models, agenda, loaded
        self._memory = Residency(plan.crew.memory_bytes, plan.crew.lanes)
        self._since_s: dict[int, float] = {}
        self._promised: dict[int, float] = {}
        self._requests = deque[int]()
        self._leaving = frozenset[int]()
        self._loading = False
        for version, model in plan.models.items():
            if plan.crew.memory_bytes is not None and model.memory_bytes > plan.crew.memory_bytes:
                raise ValueError(
                    f"version {version} needs {model.memory_bytes:,} bytes, and a worker has"
                    f" {plan.crew.memory_bytes:,}"
                )
            if not model.cold and self._memory.room_for(version, model.memory_bytes) == Evict():
                self._memory.add(version, model.memory_bytes)

    def hold(self, version: int) -> bool:
        """Keep a version in memory for a batch, until `release`; False where it is not there."""
        if version in self._since_s or version not in self._memory:
            return False
        if version in self._leaving and version not in self._promised:
            return False
        self._memory.acquire(version)
        self._let_go(version)
        return True

    def release(self, version: int) -> None:
        """Note the end of a batch."""
        self._memory.release(version)
        self._next()

    def request(self, version: int) -> bool:
        """Load a version; False where that is under way."""
        if version in self._since_s:
            return False
        self._since_s[version] = self._agenda.now
        self._requests.append(version)
        self._next()
        return True

    def put_back_s(self, version: int) -> float:
        """Return the seconds for which a job without room here is put back: the load's so far."""
        return min(max(self._agenda.now - self._since_s[version], LEAST_S), MOST_S)

    def _next(self) -> None:
        """Begin the first load that was asked for, if there is room."""
        if self._loading or not self._requests:
            return
        version = self._requests[0]
        room = self._memory.room_for(version, self._models[version].memory_bytes)
        if isinstance(room, Wait):
            self._leaving = frozenset(room.versions)
            return
        self._leaving = frozenset()
        if isinstance(room, Evict):
            for other in room.versions:
                self._memory.remove(other)
        self._requests.popleft()
        self._loading, load_s = True, 0.0  # it may be there still, if it was to leave and need not
        if version not in self._memory:
            self._memory.add(version, self._models[version].memory_bytes)
            load_s = self._models[version].load_s
        self._memory.acquire(version)
        self._agenda.after(load_s, lambda: self._end(version))

    def _end(self, version: int) -> None:
        self._loading = False
        del self._since_s[version]
        self._promised[version] = until_s = self._agenda.now + FRESH_S
        self._agenda.at(until_s, lambda: self._let_go(version, until_s))
        self._loaded(version)
        self._next()

    def _let_go(self, version: int, until_s: float | None = None) -> None:
        """End the promise that a version stays for those who asked for it."""
        promised_s = self._promised.get(version)
        if promised_s is not None and until_s in {None, promised_s}:
            del self._promised[version]
            self.release(version)
