"""One model's way to the workers in virtual time: its admission, its part of the relay, and its queue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from jobs.core.simulation.admission_control import AdmissionControl
from jobs.core.simulation.agenda import Agenda
from jobs.core.simulation.arrivals import Arrival, Chance
from jobs.core.simulation.feed import QueueFeed
from jobs.core.simulation.ledger import LedgerRow
from jobs.core.simulation.plan import Model, SimulationPlan
from jobs.core.simulation.shared_queue import SharedQueue
from jobs.core.simulation.worker import SimulatedWorker


class ModelQueue:
    """The `versions` of one model and lane; all workers consume the queue, each up to its prefetch."""

    def __init__(
        self,
        plan: SimulationPlan,
        versions: Mapping[int, Model],
        agenda: Agenda,
        chance: Chance,
        workers: Sequence[SimulatedWorker],
    ) -> None:
        self.versions = versions
        self.broker = SharedQueue(workers, plan.crew.prefetch)
        self.feed = QueueFeed(plan, versions, agenda, chance, self.broker)
        self._admission = AdmissionControl(replace(plan, models=versions), agenda.now)
        self._agenda = agenda

    @property
    def count_due_s(self) -> float:
        """Return when the surveyor is to count again."""
        return self._admission.count_due_s

    def count(self, now: float) -> None:
        """Count what waits, as the surveyor does."""
        self._admission.count(now)

    def admits(self, arrival: Arrival, now: float) -> bool:
        """Admit the job, or return False."""
        return self._admission.decide(arrival, now) is None

    def claimed(self, row: LedgerRow, arrivals: Sequence[Arrival]) -> None:
        """Note a claim of jobs; those that did not expire at it are the batch of `row`."""
        self._admission.claimed(row, arrivals)
        self.feed.claimed(arrivals)

    def finished(self, row: LedgerRow) -> None:
        """Note that a batch's outcomes are stored."""
        self._admission.finished(row)

    def try_again(self, arrival: Arrival, delay_s: float) -> None:
        """Let a job be published again after a delay, as a retry."""
        self._admission.queued_again(arrival)
        self._agenda.after(delay_s, lambda: self.feed.add(arrival, retry=True))
