"""The relay in virtual time: it feeds one queue, with the product's own depth, shares and budgets.

Where nothing waited a moment ago and there is room, a job is published at once. Else the relay looks at what
waits every few milliseconds, and more rarely while the queue is full.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from jobs.core.priority import HIGHEST, LOWEST, broker_priority
from jobs.core.relay.bundled_rows import bundles
from jobs.core.relay.publish_policy import FastSide, reserve, rooms
from jobs.core.relay.queue_depth import LOOK_S, Depth
from jobs.core.retry.budget import RetryBudget, RetryBudgets
from jobs.core.simulation.agenda import Agenda
from jobs.core.simulation.arrivals import Arrival, Chance
from jobs.core.simulation.fresh_rows import Key, OutboxRow, choose
from jobs.core.simulation.plan import Model, SimulationPlan

MOST, FEW = 1_024, 32  # rows of a look, and of the quick one
POLL_S, FULL_S = 0.005, 0.02  # between two looks at a backlog, and while the queue is full
_LEVEL = [[broker_priority(p, fast=fast) for fast in (False, True)] for p in range(LOWEST, HIGHEST + 1)]


class MessageSink(Protocol):
    """A queue of the broker."""

    def publish(self, arrivals: Sequence[Arrival], level: int) -> None:
        """Take a message of one or several jobs, at a level of the broker."""


class QueueFeed:
    """Publishes the jobs of one queue; every message reaches the broker, and none is published twice."""

    def __init__(
        self,
        plan: SimulationPlan,
        versions: Mapping[int, Model],
        agenda: Agenda,
        chance: Chance,
        sink: MessageSink,
    ) -> None:
        """Begin with an empty outbox."""
        self._plan, self._models, self._agenda, self._chance, self._sink = (
            plan,
            versions,
            agenda,
            chance,
            sink,
        )
        self._depth, self._fast = Depth(plan.depth), FastSide()
        self._budgets = RetryBudgets(self._budget)
        self._retries = any(model.failing for model in versions.values())
        self._waiting = dict[Key, deque[OutboxRow]]()
        self._held = Counter[Key]()
        self._in_flight = self._room = 0
        self._largest = 1
        self._largest_of_all = max(model.limits.max_batch for model in versions.values())
        self._full_until_s = 0.0
        self._looks = False  # a look is scheduled
        self._nothing_new = False  # since a look that took nothing
        self._looked_s = 0.0

    def add(self, arrival: Arrival, *, retry: bool = False) -> None:
        """Take a job that is due now."""
        key = arrival.priority, arrival.client
        if not self._waiting and self._in_flight + FEW < self._room and not self._retries:
            self._send_one(key, arrival)
            return
        self._wait(key, OutboxRow(arrival, self._agenda.now, retry=retry))
        if not self._looks:
            self._look_at(self._agenda.now)

    def claimed(self, arrivals: Iterable[Arrival]) -> None:
        """Note that a worker has claimed jobs, which are no longer in flight."""
        held, self._nothing_new = self._held, False
        for arrival in arrivals:
            held[arrival.priority, arrival.client] -= 1
            self._in_flight -= 1

    def put_back(self, arrivals: Iterable[Arrival], delay_s: float) -> None:
        """Take jobs back that a worker received and cannot run now; they are due again after a delay."""
        for arrival in arrivals:
            self.claimed((arrival,))
            self._later(OutboxRow(arrival, self._agenda.now + delay_s, retry=False), delay_s)

    def _later(self, row: OutboxRow, delay_s: float) -> None:
        self._agenda.after(delay_s, lambda: self.add(row.arrival, retry=row.retry))

    def _budget(self, version: int) -> RetryBudget:
        retry = self._models[version].retry
        return RetryBudget(retry.share, retry.floor_per_s)

    def _wait(self, key: Key, row: OutboxRow) -> None:
        line = self._waiting.get(key)
        if line is None:
            line = self._waiting[key] = deque()
        line.append(row)
        self._nothing_new = False

    def _look_at(self, when_s: float) -> None:
        self._looks = True
        self._agenda.at(when_s, self._look)

    def _look(self) -> None:
        self._looks = False
        now = self._agenda.now
        chosen = self._choose(now) if now >= self._full_until_s and not self._same(now) else []
        self._send(self._within_budget(chosen))
        if self._waiting:
            busy_s = self._plan.overheads.look.seconds(len(chosen), self._chance)
            self._look_at(max(now + busy_s + POLL_S, self._full_until_s))

    def _same(self, now: float) -> bool:
        """Return whether the last look took nothing, and a look now would see the same."""
        return self._nothing_new and now - self._looked_s < LOOK_S

    def _choose(self, now: float) -> list[OutboxRow]:
        depth = self._room = self._depth.look(
            self._in_flight, workers=self._plan.crew.workers, max_batch=self._largest, now=now
        )
        room = rooms(self._held, depth)
        if not room[HIGHEST]:
            self._full_until_s = now + FULL_S
        chosen = choose(self._waiting, room, held=self._held, most=MOST, reserve=reserve(depth))
        self._take(chosen)
        self._nothing_new, self._looked_s = not chosen, now
        return chosen

    def _take(self, chosen: Sequence[OutboxRow]) -> None:
        """Take chosen rows from the heads of their lines."""
        taken = Counter((row.arrival.priority, row.arrival.client) for row in chosen)
        for key, count in taken.items():
            line = self._waiting[key]
            for _ in range(count):
                line.popleft()
            if not line:
                del self._waiting[key]

    def _within_budget(self, rows: list[OutboxRow]) -> list[OutboxRow]:
        if not self._retries:
            return rows
        passed, over = self._budgets.split(rows, self._agenda.now)
        for postponed in over:
            self._later(postponed.row, postponed.delay_s)
        self._budgets.published(passed, self._agenda.now)
        return passed

    def _send_one(self, key: Key, arrival: Arrival) -> None:
        turn = self._held[key] = self._held[key] + 1
        self._in_flight += 1
        self._depth.published(1)
        if self._largest < self._largest_of_all:
            self._largest = max(self._largest, self._max_batch(arrival.version))
        self._sink.publish((arrival,), _LEVEL[key[0]][self._fast.may(turn)])

    def _send(self, rows: list[OutboxRow]) -> None:
        if not rows:
            return
        for row in rows:
            self._held[row.arrival.priority, row.arrival.client] += 1
            self._largest = max(self._largest, self._models[row.arrival.version].limits.max_batch)
        self._in_flight += len(rows)
        self._depth.published(len(rows))
        sides = self._fast.choose(rows)
        for bundle, fast in bundles(rows, sides, kind=_kind, max_batch=self._max_batch):
            level = _LEVEL[bundle[0].arrival.priority][fast]
            self._sink.publish([row.arrival for row in bundle], level)

    def _max_batch(self, version: int) -> int:
        return self._models[version].limits.max_batch


def _kind(row: OutboxRow) -> tuple[int, int]:
    return row.arrival.version, row.arrival.priority
