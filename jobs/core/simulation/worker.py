"""One worker's stages in virtual time: collect, claim, run and settle, overlapped as the pipeline's are.

It drives the real policy and the real prediction of lanes, in the order in which the pipeline's threads do.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from functools import partial
from typing import Protocol

from jobs.core.batching.lanes import Lanes
from jobs.core.batching.policy import BatchPolicy
from jobs.core.batching.sealed_batch import BatchLimits, SealedBatch
from jobs.core.simulation.agenda import Agenda
from jobs.core.simulation.arrivals import Arrival, Chance
from jobs.core.simulation.plan import SimulationPlan


class SimulationObserver(Protocol):
    """Is told what becomes of batches."""

    def sealed(self, batch: SealedBatch[Arrival]) -> None:
        """Take note of a batch that left the buffer."""

    def expired(self, worker: SimulatedWorker, arrivals: list[Arrival]) -> None:
        """Take note of jobs whose deadline was over at their claim or settle."""

    def ended(self, batch: SealedBatch[Arrival], seconds: float) -> None:
        """Take note of a run, or of none that took 0 seconds because nothing was left to run."""

    def settled(self, worker: SimulatedWorker, arrivals: list[Arrival]) -> None:
        """Take note of stored results."""


class SimulatedWorker:
    """A worker with a policy of its own."""

    def __init__(
        self, plan: SimulationPlan, agenda: Agenda, chance: Chance, watcher: SimulationObserver
    ) -> None:
        self._plan, self._agenda, self._chance, self._watcher = plan, agenda, chance, watcher
        limits: dict[Hashable, BatchLimits] = {
            version: model.limits for version, model in plan.models.items()
        }
        self._policy: BatchPolicy[Arrival] = BatchPolicy(limits.__getitem__)
        self._lanes = Lanes(plan.crew.lanes)
        self._idle = deque(range(plan.crew.lanes))
        self._slots = plan.crew.lanes + plan.crew.ahead
        self._to_run: deque[tuple[SealedBatch[Arrival], list[Arrival]]] = deque()
        self._to_settle: deque[list[Arrival]] = deque()
        self._stuck: deque[tuple[int, list[Arrival]]] = deque()
        self._claiming = self._settling = False
        self._wake_s: float | None = None

    def deliver(self, arrival: Arrival) -> None:
        """Put a job into the buffer."""
        now, deadline_in_s = self._agenda.now, arrival.deadline_in_s
        self._policy.add(
            arrival,
            now,
            key=arrival.version,
            size=arrival.size,
            priority=arrival.priority,
            client=arrival.client,
            deadline_s=None if deadline_in_s is None else arrival.at_s + deadline_in_s,
        )
        self._collect()

    def _collect(self) -> None:
        """Seal a batch where one is due and there is a slot, or wake up when it will be."""
        if self._claiming or not self._slots:
            return
        now = self._agenda.now
        free_s = self._lanes.free_at(now)
        due_s = self._policy.due_at(now, device_free_at=free_s)
        if due_s is None:
            return
        batch = self._policy.take(now, device_free_at=free_s) if due_s <= now else None
        if batch is not None:
            self._claim(batch)
        elif self._wake_s is None or due_s < self._wake_s:
            self._wake_s = due_s
            self._agenda.at(due_s, self._wake)

    def _wake(self) -> None:
        if self._wake_s is not None and self._wake_s <= self._agenda.now:
            self._wake_s = None
        self._collect()

    def _claim(self, batch: SealedBatch[Arrival]) -> None:
        self._claiming, self._slots = True, self._slots - 1
        self._lanes.promise(self._predict(batch))
        self._watcher.sealed(batch)
        seconds = self._plan.overheads.claim.seconds(len(batch.tokens), self._chance)
        self._agenda.after(seconds, partial(self._claimed, batch, seconds))

    def _claimed(self, batch: SealedBatch[Arrival], seconds: float) -> None:
        live = self._in_time(batch.tokens)
        if live:
            self._to_run.append((batch, live))
            self._policy.observe_claim(seconds)
            self._start()
        else:
            self._watcher.ended(batch, 0.0)
            self._slots += 1
            self._lanes.withdraw()
        self._claiming = False
        self._collect()

    def _in_time(self, arrivals: list[Arrival]) -> list[Arrival]:
        """Return the jobs whose deadline is not over; the others expire here."""
        now = self._agenda.now
        late = [a for a in arrivals if a.deadline_in_s is not None and a.at_s + a.deadline_in_s <= now]
        if not late:
            return arrivals
        self._watcher.expired(self, late)
        gone = set(late)
        return [arrival for arrival in arrivals if arrival not in gone]

    def _start(self) -> None:
        while self._idle and self._to_run:
            lane = self._idle.popleft()
            batch, live = self._to_run.popleft()
            self._lanes.start(lane, self._agenda.now, self._predict(batch))
            model = self._plan.models[live[0].version]
            units = batch.padded_size if model.limits.padded else len(live)
            seconds = model.run.seconds(units, self._chance)
            self._agenda.after(seconds, partial(self._ended, lane, batch, live, seconds))

    def _ended(self, lane: int, batch: SealedBatch[Arrival], live: list[Arrival], seconds: float) -> None:
        self._policy.observe(batch.key, batch.padded_size, seconds)
        self._watcher.ended(batch, seconds)
        self._slots += 1
        self._lanes.end(lane)
        self._stuck.append((lane, live))
        self._settle()
        self._start()
        self._collect()

    def _settle(self) -> None:
        """Move batches on; a lane whose batch finds no room here waits with it, as its thread would."""
        most = self._plan.crew.lanes + self._plan.crew.ahead
        while self._stuck and len(self._to_settle) + self._settling <= most:
            lane, live = self._stuck.popleft()
            self._to_settle.append(live)
            self._idle.append(lane)
        if self._to_settle and not self._settling:
            self._settling = True
            done = self._to_settle.popleft()
            seconds = self._plan.overheads.settle.seconds(len(done), self._chance)
            self._agenda.after(seconds, partial(self._settled, self._in_time(done)))

    def _settled(self, live: list[Arrival]) -> None:
        self._settling = False
        self._settle()
        self._start()
        self._watcher.settled(self, live)
        self._collect()

    def _predict(self, batch: SealedBatch[Arrival]) -> float:
        return self._policy.service_time(batch.key).seconds(batch.padded_size)
