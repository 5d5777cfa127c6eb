"""The stages of one worker in virtual time: collect, claim, run and settle, overlapped as in the pipeline.

It uses the product's batching policy and lanes, in the order in which the threads of the pipeline do.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from jobs.core.batching.lane_choice import Lane, slices
from jobs.core.batching.lanes import Lanes
from jobs.core.batching.policy import BatchPolicy
from jobs.core.batching.sealed_batch import BatchLimits, SealedBatch
from jobs.core.simulation.agenda import Agenda
from jobs.core.simulation.arrivals import Arrival, Chance
from jobs.core.simulation.ledger import LedgerRow
from jobs.core.simulation.plan import SimulationPlan
from jobs.core.simulation.resident_models import ResidentModels
from jobs.core.simulation.running import Running
from jobs.core.simulation.simulated_lane import SlowLane


class SimulationObserver(Protocol):
    """Receives what happens to batches."""

    def sealed(self, batch: SealedBatch[Arrival]) -> None:
        """Record a batch that left the buffer."""

    def claimed(self, row: LedgerRow, arrivals: Sequence[Arrival]) -> None:
        """Record the claim of `arrivals`; the row counts those that had not expired."""

    def expired(self, worker: SimulatedWorker, arrivals: Sequence[Arrival]) -> None:
        """Record jobs whose deadline had passed at their claim or settle."""

    def ended(self, batch: SealedBatch[Arrival], seconds: float) -> None:
        """Record a run."""

    def settled(self, worker: SimulatedWorker, row: LedgerRow, arrivals: Sequence[Arrival]) -> None:
        """Record what a batch's settle stored, and the batch of `row` as finished."""

    def put_back(self, worker: SimulatedWorker, arrivals: Sequence[Arrival], delay_s: float) -> None:
        """Record jobs for which there is no room at the worker while their version is being loaded."""


@dataclass(frozen=True, slots=True)
class ClaimedArrivals:
    """A claimed batch: as it was sealed, its row of the ledger, and the jobs that had not expired."""

    sealed: SealedBatch[Arrival]
    row: LedgerRow
    live: list[Arrival]
    claim_s: float


class SimulatedWorker:
    """A worker with its own buffer and policy."""

    def __init__(
        self, plan: SimulationPlan, agenda: Agenda, chance: Chance, observer: SimulationObserver
    ) -> None:
        self._plan, self._agenda, self._chance, self._observer = plan, agenda, chance, observer
        limits: dict[Hashable, BatchLimits] = {
            version: model.limits for version, model in plan.models.items()
        }
        self._policy: BatchPolicy[Arrival] = BatchPolicy(
            limits.__getitem__, slices=slices(plan.crew.lanes, Lane.AUTO)
        )
        self._slow = {name: SlowLane(part) for name, part in plan.queues.items()}
        self._lanes = Lanes(plan.crew.lanes)
        self._running = Running(agenda)
        self._memory = ResidentModels(plan, agenda, self._loaded) if _loads(plan) else None
        self._busy = plan.crew.busy
        self._policy.observe_load(self._busy)
        self._idle = deque(range(plan.crew.lanes))
        self._slots = plan.crew.lanes + plan.crew.ahead
        self._to_run: deque[ClaimedArrivals] = deque()
        self._to_settle: deque[ClaimedArrivals] = deque()
        self._blocked: deque[tuple[int, ClaimedArrivals]] = deque()
        self._claiming = self._settling = False
        self._wake_s: float | None = None
        self._settled_until_s = 0.0  # until then no arrival changes when a batch is due
        self._smallest = min(model.limits.max_batch for model in plan.models.values())

    def deliver(self, arrivals: Sequence[Arrival]) -> None:
        """Add the jobs of a message to the buffer."""
        for arrival in arrivals:
            self._add(arrival)
        # While the device is busy, only a full batch is due before the others.
        if self._agenda.now >= self._settled_until_s or len(self._policy) >= self._smallest:
            self._collect()

    def _add(self, arrival: Arrival) -> None:
        deadline_in_s = arrival.deadline_in_s
        self._policy.add(
            arrival,
            self._agenda.now,
            key=arrival.version,
            size=arrival.size,
            priority=arrival.priority,
            client=arrival.client,
            deadline_s=None if deadline_in_s is None else arrival.at_s + deadline_in_s,
            slow=self._is_slow(arrival),
        )

    def _is_slow(self, arrival: Arrival) -> bool:
        return self._slow[self._plan.models[arrival.version].queue].takes(arrival)

    def _collect(self) -> None:
        """Seal a batch if one is due and a slot is free, or schedule the time when it will be due."""
        self._settled_until_s = 0.0
        if self._claiming or not self._slots:
            return
        now = self._agenda.now
        free_s = self._lanes.free_at(now)
        takes_slow = self._lanes.takes_slow
        due_s = self._policy.due_at(now, device_free_at=free_s, takes_slow=takes_slow)
        if due_s is None:
            return
        due = due_s <= now
        batch = self._policy.take(now, device_free_at=free_s, takes_slow=takes_slow) if due else None
        if batch is not None:
            self._take(batch)
            return
        if free_s > now and not self._busy:
            self._settled_until_s = due_s
        if self._wake_s is None or due_s < self._wake_s:
            self._wake_s = due_s
            self._agenda.at(due_s, self._wake)

    def _wake(self) -> None:
        if self._wake_s is not None and self._wake_s <= self._agenda.now:
            self._wake_s = None
        self._collect()

    def _take(self, batch: SealedBatch[Arrival]) -> None:
        version = batch.tokens[0].version
        if self._memory is None or self._memory.hold(version):
            self._claim(batch)
            return
        if self._memory.request(version):
            self._policy.hold(version)
            for arrival in batch.tokens:
                self._add(arrival)
        else:
            self._observer.put_back(self, batch.tokens, self._memory.put_back_s(version))
        self._collect()

    def _loaded(self, version: int) -> None:
        self._policy.free(version)
        self._collect()

    def _claim(self, batch: SealedBatch[Arrival]) -> None:
        self._claiming, self._slots = True, self._slots - 1
        self._lanes.promise(self._predict(batch), slow=batch.slow)
        self._observer.sealed(batch)
        seconds = self._plan.overheads.claim.seconds(len(batch.tokens), self._chance)
        self._agenda.after(seconds, partial(self._claimed, batch, seconds))

    def _claimed(self, batch: SealedBatch[Arrival], seconds: float) -> None:
        live = self._in_time(batch.tokens)
        version, began_s = batch.tokens[0].version, self._agenda.now - seconds
        slow = self._is_slow(batch.tokens[0])
        row = LedgerRow(version, len(live), batch.padded_size, began_s, slow=slow)
        self._observer.claimed(row, batch.tokens)
        if live:
            self._to_run.append(ClaimedArrivals(batch, row, live, seconds))
            self._policy.observe_claim(seconds)
            self._start()
        else:
            self._release(version)
            self._slots += 1
            self._lanes.withdraw()
        self._claiming = False
        self._collect()

    def _in_time(self, arrivals: list[Arrival]) -> list[Arrival]:
        """Return the jobs whose deadline has not passed; the others expire here."""
        now = self._agenda.now
        late = [a for a in arrivals if a.deadline_in_s is not None and a.at_s + a.deadline_in_s <= now]
        if not late:
            return arrivals
        self._observer.expired(self, late)
        expired = set(late)
        return [arrival for arrival in arrivals if arrival not in expired]

    def _start(self) -> None:
        while self._idle and self._to_run:
            lane = self._idle.popleft()
            batch = self._to_run.popleft()
            self._lanes.start(lane, self._agenda.now, self._predict(batch.sealed))
            model = self._plan.models[batch.row.version]
            units = batch.row.padded_size if model.limits.padded else batch.row.size
            seconds = model.run.seconds(units, self._chance)
            self._running.start(seconds, model.run.crowding, partial(self._ended, lane, batch))

    def _ended(self, lane: int, batch: ClaimedArrivals, seconds: float) -> None:
        batch.row.ran_s = seconds
        self._policy.observe(batch.sealed.key, batch.row.padded_size, seconds)
        self._observer.ended(batch.sealed, seconds)
        self._slots += 1
        self._lanes.end(lane)
        self._blocked.append((lane, batch))
        self._settle()
        self._start()
        self._collect()

    def _settle(self) -> None:
        """Settle together all that waits; a lane stays blocked while its batch finds the queue full."""
        most = self._plan.crew.lanes + self._plan.crew.ahead
        while self._blocked and (not self._settling or len(self._to_settle) < most):
            lane, batch = self._blocked.popleft()
            self._to_settle.append(batch)
            self._idle.append(lane)
        if self._to_settle and not self._settling:
            self._settling = True
            batches = list(self._to_settle)
            self._to_settle.clear()
            for batch in batches:
                batch.row.finished_s = self._agenda.now  # the ledger has when the transaction begins
            items = sum(len(batch.live) for batch in batches)
            seconds = self._plan.overheads.settle.seconds(items, self._chance)
            live = [(batch, self._in_time(batch.live)) for batch in batches]
            self._agenda.after(seconds, partial(self._settled, live, seconds / len(batches)))

    def _settled(self, batches: list[tuple[ClaimedArrivals, list[Arrival]]], share_s: float) -> None:
        self._settling = False
        self._settle()
        self._start()
        for batch, live in batches:
            self._release(batch.row.version)
            if self._busy:
                self._policy.observe_platform(batch.claim_s + share_s)
            self._observer.settled(self, batch.row, live)
        self._collect()

    def _release(self, version: int) -> None:
        if self._memory is not None:
            self._memory.release(version)

    def _predict(self, batch: SealedBatch[Arrival]) -> float:
        return self._policy.service_time(batch.key).seconds(batch.padded_size)


def _loads(plan: SimulationPlan) -> bool:
    """Return whether any version may not be in memory."""
    return plan.crew.memory_bytes is not None or any(model.cold for model in plan.models.values())
