"""The simulation: arrivals pass admission, the queue and the workers in virtual time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from jobs.core.batching.sealed_batch import SealedBatch
from jobs.core.simulation.admission_control import AdmissionControl
from jobs.core.simulation.agenda import Agenda
from jobs.core.simulation.arrivals import Arrival, Chance
from jobs.core.simulation.ledger import LedgerRow
from jobs.core.simulation.plan import SimulationPlan
from jobs.core.simulation.report import SimulationReport
from jobs.core.simulation.shared_queue import SharedQueue
from jobs.core.simulation.worker import SimulatedWorker


def simulate(plan: SimulationPlan, arrivals: Iterable[Arrival], chance: Chance) -> SimulationReport:
    """Return the report of `arrivals`, which are in order of time; `chance` drives the jitter."""
    agenda = Agenda()
    world: _World | None = None
    first_s = last_s = 0.0
    for arrival in arrivals:
        last_s = arrival.at_s
        if world is None:
            first_s = last_s
            world = _World(plan, agenda, chance, start_s=first_s)
        world.advance(last_s)
        world.submit(arrival)
    if world is None:
        return SimulationReport(plan.lanes)
    agenda.finish()
    world.report.offered_s = last_s - first_s
    world.report.span_s = agenda.now - first_s
    return world.report


class _World:
    """Admission and one queue in front of the workers, and the observer of all of them."""

    def __init__(self, plan: SimulationPlan, agenda: Agenda, chance: Chance, *, start_s: float) -> None:
        self.report = SimulationReport(plan.lanes)
        self._agenda, self._deliver_s = agenda, plan.overheads.deliver_s
        self._admission = AdmissionControl(plan, start_s)
        workers = [SimulatedWorker(plan, agenda, chance, self) for _ in range(plan.crew.workers)]
        self._queue = SharedQueue(workers, plan.crew.prefetch)

    def advance(self, until_s: float) -> None:
        """Run what happens up to `until_s`, with a count of the queue each time one is due."""
        while self._admission.count_due_s <= until_s:
            self._agenda.advance(self._admission.count_due_s)
            self._admission.count(self._agenda.now)
        self._agenda.advance(until_s)

    def submit(self, arrival: Arrival) -> None:
        """Admit or refuse a job; an admitted one reaches the queue after the delivery time."""
        self.report.offered += 1
        if self._admission.decide(arrival, self._agenda.now) is not None:
            self.report.refused += 1
        elif self._deliver_s:
            self._agenda.after(self._deliver_s, lambda: self._queue.publish(arrival))
        else:
            self._queue.publish(arrival)

    def sealed(self, batch: SealedBatch[Arrival]) -> None:
        """Count the batch."""
        self.report.seals[batch.reason] += 1
        self.report.batched += len(batch.tokens)

    def claimed(self, row: LedgerRow, arrivals: Sequence[Arrival]) -> None:
        """Pass a claim on to admission."""
        self._admission.claimed(row, arrivals)

    def ended(self, _batch: SealedBatch[Arrival], seconds: float) -> None:
        """Add the time of a run."""
        self.report.busy_s += seconds

    def expired(self, worker: SimulatedWorker, arrivals: Sequence[Arrival]) -> None:
        """Count jobs whose deadline had passed."""
        self.report.expired += len(arrivals)
        self._queue.acknowledge(worker, len(arrivals))

    def settled(self, worker: SimulatedWorker, row: LedgerRow, arrivals: Sequence[Arrival]) -> None:
        """Count served jobs with their latency, and pass the end of their batch on to admission."""
        now, latencies_s = self._agenda.now, self.report.latencies_s
        for arrival in arrivals:
            latencies_s.append(now - arrival.at_s)
        self._queue.acknowledge(worker, len(arrivals))
        self._admission.finished(row)
