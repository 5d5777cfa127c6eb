"""The runs on a worker's lanes in virtual time, which make each other longer where they share processors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from jobs.core.simulation.agenda import Agenda


@dataclass(slots=True, eq=False)
class CrowdedRun:
    """A run: the seconds that it would still take alone, and by which share each other run slows it."""

    left_s: float
    crowding: float
    began_s: float
    since_s: float
    ends_s: float
    done: Callable[[float], None]


class Running:
    """The runs that go on; `done` of each is called with the seconds that it took."""

    def __init__(self, agenda: Agenda) -> None:
        self._agenda = agenda
        self._runs = set[CrowdedRun]()

    def start(self, alone_s: float, crowding: float, done: Callable[[float], None]) -> None:
        """Start a run that takes `alone_s` beside no other."""
        now = self._agenda.now
        if not crowding and not self._runs:
            self._agenda.after(alone_s, partial(done, alone_s))
            return
        self._pass()
        self._runs.add(CrowdedRun(alone_s, crowding, now, now, now, done))
        self._plan()

    def _pass(self) -> None:
        """Take off from each run what it did since the number of runs last changed."""
        now, others = self._agenda.now, len(self._runs) - 1
        for run in self._runs:
            run.left_s -= (now - run.since_s) / (1.0 + run.crowding * others)
            run.since_s = now

    def _plan(self) -> None:
        now, others = self._agenda.now, len(self._runs) - 1
        for run in self._runs:
            run.ends_s = now + max(run.left_s, 0.0) * (1.0 + run.crowding * others)
            self._agenda.at(run.ends_s, partial(self._end, run, run.ends_s))

    def _end(self, run: CrowdedRun, planned_s: float) -> None:
        if run.ends_s != planned_s or run not in self._runs:
            return  # it was planned anew
        self._pass()
        self._runs.discard(run)
        self._plan()
        run.done(self._agenda.now - run.began_s)
