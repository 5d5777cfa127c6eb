"""The simulation: arrivals pass admission, the relay, the broker and the workers in virtual time.

Not modelled: messages that are lost or published twice, circuits, pauses, workers that come and go, and the
time for which two processes hold up each other at the database.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from math import floor

from jobs.core.admission.queue_count import COUNT_EVERY_S
from jobs.core.admission.queue_survey import MEAN_S, RUNS_WINDOW_S
from jobs.core.batching.sealed_batch import SealedBatch
from jobs.core.simulation.agenda import Agenda
from jobs.core.simulation.arrivals import Arrival, Chance
from jobs.core.simulation.ledger import LedgerRow
from jobs.core.simulation.model_queue import ModelQueue
from jobs.core.simulation.plan import SimulationPlan
from jobs.core.simulation.report import SimulationReport
from jobs.core.simulation.simulated_attempts import AttemptEnd, Attempts
from jobs.core.simulation.simulated_lane import SlowLane
from jobs.core.simulation.worker import SimulatedWorker

QUIET_S = max(RUNS_WINDOW_S, MEAN_S) + 2.0 * COUNT_EVERY_S  # nothing of before is in a count's windows


def simulate(plan: SimulationPlan, arrivals: Iterable[Arrival], chance: Chance) -> SimulationReport:
    """Return the report of `arrivals`, which are in order of time; `chance` drives what varies.

    ValueError for a version that does not fit into the workers' memory.
    """
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
    world.report.span_s = world.last_s - first_s
    return world.report


class _World:
    """A queue for each model in front of the workers, and the observer of all of them."""

    def __init__(self, plan: SimulationPlan, agenda: Agenda, chance: Chance, *, start_s: float) -> None:
        self.report, self.last_s = SimulationReport(plan.lanes), start_s
        self._agenda, self._chance, self._deliver = agenda, chance, plan.overheads.deliver
        agenda.advance(start_s)
        workers = [SimulatedWorker(plan, agenda, chance, self) for _ in range(plan.crew.workers)]
        self._queues, self._by_version = list[ModelQueue](), dict[tuple[int, bool], ModelQueue]()
        self._slow = dict[int, SlowLane]()
        for part in plan.queues.values():
            lane = SlowLane(part)
            self._slow |= dict.fromkeys(part, lane)
            for slow in (False, True) if lane.versions else (False,):
                queue = ModelQueue(plan, part, agenda, chance, workers)
                self._queues.append(queue)
                self._by_version |= {(version, slow): queue for version in part}
        self._attempts = Attempts(plan, chance)
        self._count_due_s = self._queues[0].count_due_s

    def advance(self, until_s: float) -> None:
        """Run what happens up to `until_s`, with a count of the queues each time one is due.

        Once nothing has waited or run for a while, all counts but the last would see nothing new: they are
        left out, because a rare job would else take thousands.
        """
        while self._count_due_s <= until_s:
            if self._agenda.is_empty and self._count_due_s - self._agenda.last_event_s > QUIET_S:
                self._count_due_s += floor((until_s - self._count_due_s) / COUNT_EVERY_S) * COUNT_EVERY_S
            self._agenda.advance(self._count_due_s)
            for queue in self._queues:
                queue.count(self._agenda.now)
            self._count_due_s = self._queues[0].count_due_s
        self._agenda.advance(until_s)

    def submit(self, arrival: Arrival) -> None:
        """Admit or refuse a job; an admitted one reaches the relay after the delivery time."""
        self.report.offered += 1
        queue = self._queue_of(arrival)
        if not queue.admits(arrival, self._agenda.now):
            self.report.refused += 1
            self.last_s = self._agenda.now
            return
        seconds = self._deliver.seconds(1, self._chance)
        if seconds:
            self._agenda.after(seconds, partial(queue.feed.add, arrival))
        else:
            queue.feed.add(arrival)

    def _queue_of(self, arrival: Arrival) -> ModelQueue:
        return self._by_version[arrival.version, self._slow[arrival.version].takes(arrival)]

    def sealed(self, batch: SealedBatch[Arrival]) -> None:
        """Count the batch."""
        self.report.seals[batch.reason] += 1
        self.report.batched += len(batch.tokens)

    def claimed(self, row: LedgerRow, arrivals: Sequence[Arrival]) -> None:
        """Pass a claim on to admission and the relay."""
        self._by_version[row.version, row.slow].claimed(row, arrivals)

    def ended(self, _batch: SealedBatch[Arrival], seconds: float) -> None:
        """Add the time of a run."""
        self.report.busy_s += seconds

    def expired(self, worker: SimulatedWorker, arrivals: Sequence[Arrival]) -> None:
        """Count jobs whose deadline had passed."""
        self.report.expired += len(arrivals)
        self.last_s = self._agenda.now
        self._queue_of(arrivals[0]).broker.acknowledge(worker, arrivals)

    def put_back(self, worker: SimulatedWorker, arrivals: Sequence[Arrival], delay_s: float) -> None:
        """Let jobs be published again."""
        queue = self._queue_of(arrivals[0])
        queue.feed.put_back(arrivals, delay_s)
        queue.broker.acknowledge(worker, arrivals)

    def settled(self, worker: SimulatedWorker, row: LedgerRow, arrivals: Sequence[Arrival]) -> None:
        """Count served jobs with their latency, let others be tried again, and close their batch."""
        self.last_s = now = self._agenda.now
        queue = self._by_version[row.version, row.slow]
        served = self._served(arrivals) if self._attempts.may_fail else arrivals
        waited_s = [now - arrival.at_s for arrival in served]
        self.report.latencies_s.extend(waited_s)
        self.report.by_version[row.version].extend(waited_s)
        queue.broker.acknowledge(worker, arrivals)
        queue.finished(row)

    def _served(self, arrivals: Sequence[Arrival]) -> list[Arrival]:
        served = list[Arrival]()
        for arrival in arrivals:
            end = self._attempts.end(arrival, self._agenda.now)
            if end is AttemptEnd.SERVED:
                served.append(arrival)
            elif end is AttemptEnd.DEAD:
                self.report.dead += 1
            else:
                self.report.retried += 1
                self._queue_of(arrival).try_again(arrival, float(end))
        return served
