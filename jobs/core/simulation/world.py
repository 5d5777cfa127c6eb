"""The simulation: arrivals meet admission, the queue and the workers, in virtual time."""

from __future__ import annotations

from collections.abc import Iterable

from jobs.core.batching.sealed_batch import SealedBatch
from jobs.core.batching.service_time import ServiceTime
from jobs.core.shedding import Backlog, Drain, Refuse, Shedder
from jobs.core.simulation.agenda import Agenda
from jobs.core.simulation.arrivals import Arrival, Chance
from jobs.core.simulation.plan import SimulationPlan
from jobs.core.simulation.report import SimulationReport
from jobs.core.simulation.shared_queue import SharedQueue
from jobs.core.simulation.worker import SimulatedWorker


def simulate(plan: SimulationPlan, arrivals: Iterable[Arrival], chance: Chance) -> SimulationReport:
    """Return what becomes of `arrivals`, which come in order of time; `chance` drives what jitters."""
    agenda = Agenda()
    world = _World(plan, agenda, chance)
    first_s = last_s = None
    for arrival in arrivals:
        last_s = arrival.at_s
        first_s = last_s if first_s is None else first_s
        agenda.advance(last_s)
        world.submit(arrival)
    agenda.finish()
    world.report.offered_s = (last_s or 0.0) - (first_s or 0.0)
    world.report.span_s = agenda.now - (first_s or 0.0)
    return world.report


class _World:
    """One queue in front of the workers, and the watcher of them all."""

    def __init__(self, plan: SimulationPlan, agenda: Agenda, chance: Chance) -> None:
        self.report = SimulationReport(plan.lanes)
        self._agenda, self._deliver_s = agenda, plan.overheads.deliver_s
        self._gate = _Gate(plan) if plan.goal_s else None
        workers = [SimulatedWorker(plan, agenda, chance, self) for _ in range(plan.crew.workers)]
        self._queue = SharedQueue(workers, plan.crew.prefetch)

    def submit(self, arrival: Arrival) -> None:
        """Admit or refuse a job; an admitted one reaches the queue after its delivery time."""
        self.report.offered += 1
        if self._gate is not None and not self._gate.admits(arrival):
            self.report.refused += 1
        elif self._deliver_s:
            self._agenda.after(self._deliver_s, lambda: self._queue.publish(arrival))
        else:
            self._queue.publish(arrival)

    def sealed(self, batch: SealedBatch[Arrival]) -> None:
        """Count the batch."""
        self.report.seals[batch.reason] += 1
        self.report.batched += len(batch.tokens)
        if self._gate is not None:
            self._gate.sealed(batch)

    def ended(self, batch: SealedBatch[Arrival], seconds: float) -> None:
        """Count the device's time."""
        self.report.busy_s += seconds
        if self._gate is not None:
            self._gate.ended(batch, seconds)

    def expired(self, worker: SimulatedWorker, arrivals: list[Arrival]) -> None:
        """Count jobs that came too late to be run."""
        self.report.expired += len(arrivals)
        self._queue.acknowledge(worker, len(arrivals))

    def settled(self, worker: SimulatedWorker, arrivals: list[Arrival]) -> None:
        """Count answered jobs, from submit to now."""
        now, latencies_s = self._agenda.now, self.report.latencies_s
        for arrival in arrivals:
            latencies_s.append(now - arrival.at_s)
        self._queue.acknowledge(worker, len(arrivals))


class _Gate:
    """Admission by the shedder, a version at a time, from service times learned over all workers."""

    def __init__(self, plan: SimulationPlan) -> None:
        self._plan = plan
        self._service = {version: ServiceTime() for version in plan.models}
        self._shedder = {version: Shedder(plan.goal_s) for version in plan.models}
        self._waiting, self._size = dict.fromkeys(plan.models, 0), dict.fromkeys(plan.models, 0)
        self._sealed = self._sealed_size = 0

    def admits(self, arrival: Arrival) -> bool:
        """Say whether the job is taken, and count it where it is."""
        version = arrival.version
        if self._refuses(arrival):
            return False
        self._waiting[version] += 1
        self._size[version] += arrival.size
        return True

    def sealed(self, batch: SealedBatch[Arrival]) -> None:
        """Take a batch's items off what waits."""
        version = batch.tokens[0].version
        self._sealed += 1
        self._sealed_size += batch.padded_size
        self._waiting[version] -= len(batch.tokens)
        self._size[version] -= sum(arrival.size for arrival in batch.tokens)

    def ended(self, batch: SealedBatch[Arrival], seconds: float) -> None:
        """Learn from a run."""
        self._sealed -= 1
        self._sealed_size -= batch.padded_size
        if seconds:
            self._service[batch.tokens[0].version].observe(batch.padded_size, seconds)

    def _refuses(self, arrival: Arrival) -> bool:
        version, overheads = arrival.version, self._plan.overheads
        limits = self._plan.models[version].limits
        waiting = self._waiting[version], self._size[version]
        backlog = Backlog(*waiting, self._sealed, self._sealed_size)
        fixed_s = overheads.deliver_s + overheads.claim.base_s + overheads.settle.base_s
        drain = Drain(self._service[version], limits, self._plan.lanes, fixed_s)
        shedder, deadline_in_s = self._shedder[version], arrival.deadline_in_s
        answer = shedder.decide(arrival.at_s, backlog, drain, deadline_in_s=deadline_in_s)
        return isinstance(answer, Refuse)
