"""What a batch costs the platform: batches wait for company where processors are scarce, and nowhere else."""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from statistics import fmean, median
from typing import Any

import pytest

from jobs.core.batching.estimators import PlatformCost
from jobs.core.batching.lanes import Lanes
from jobs.core.batching.policy import BatchPolicy
from jobs.core.batching.sealed_batch import BatchLimits, SealedBatch, SealReason

LIMITS = BatchLimits(max_batch=64)
JOB_S, BATCH_S, RUN_S, ITEM_S = 0.0008, 0.004, 0.005, 0.0001
LOOK_S, UNTIL_S = 0.25, 8.0


def busy_policy(busy: float, limits: BatchLimits = LIMITS, *, gap_s: float = 0.002) -> BatchPolicy[int]:
    """Return a policy that has learned the costs and the arrivals, and holds the last one, of second 1."""
    policy: BatchPolicy[int] = BatchPolicy(lambda _: limits)
    for _ in range(50):
        policy.observe_platform(BATCH_S)
        policy.observe("a", 1, RUN_S)
        policy.observe("a", 2, RUN_S + ITEM_S)
    for at in range(200):
        policy.add(at, 1.0 - (199 - at) * gap_s, key="a")
    while len(policy) > 1:
        policy.discard(lambda token: token < 199)
    policy.observe_load(busy)
    return policy


def test_a_batch_waits_for_company_where_the_processors_are_scarce_even_for_a_free_device() -> None:
    scarce = busy_policy(1.0)
    until = scarce.due_at(1.0, device_free_at=1.001)
    assert until == pytest.approx(1.004, abs=0.001), "two gaps after the last arrival"
    assert scarce.take(1.001, device_free_at=1.002) is None
    sealed = scarce.take(1.01, device_free_at=1.002)
    assert sealed is not None
    assert sealed.reason is SealReason.LINGER
    assert busy_policy(0.4).take(1.001, device_free_at=1.002) is not None


def test_a_lone_job_is_sealed_at_once_however_busy_the_platform_is() -> None:
    assert busy_policy(1.0, gap_s=0.05).take(1.0) is not None


def test_a_full_batch_and_one_whose_goal_would_be_missed_wait_for_nobody() -> None:
    assert busy_policy(1.0, BatchLimits(max_batch=1)).take(1.0) is not None
    goal = BatchLimits(max_batch=64, p95_goal_s=0.01)
    assert busy_policy(1.0, goal).take(1.0) is not None


def test_the_cost_follows_shorter_times_fast_and_longer_ones_slowly() -> None:
    cost = PlatformCost(busy=1.0)
    cost.observe(0.004)
    first = cost.weighed_s
    for _ in range(10):
        cost.observe(0.04)
    assert first < cost.weighed_s < 5 * first
    for _ in range(20):
        cost.observe(0.004)
    assert cost.weighed_s < 1.5 * first


def test_a_first_batch_that_loaded_its_model_makes_no_later_one_wait_for_seconds() -> None:
    cost = PlatformCost(busy=1.0)
    cost.observe(30.0)
    assert cost.weighed_s < 0.5


@dataclass
class OneProcessor:
    """A platform of one processor, which every job and every batch takes, and one device beside it."""

    rate: float
    weighs: bool
    policy: BatchPolicy[int] = field(default_factory=lambda: BatchPolicy(lambda _: LIMITS))
    lanes: Lanes = field(default_factory=Lanes)
    sizes: list[int] = field(default_factory=list)
    waits_s: list[float] = field(default_factory=list)
    worked_s: float = 0.0

    def __post_init__(self) -> None:
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._numbers, self._chance = count(), random.Random(1)
        self._free_s = self._worked_before_s = 0.0
        self._ready: deque[SealedBatch[int]] = deque()
        self._slots, self._claims, self._runs = 2, False, False
        self._arrived_s = list[float]()

    def run(self) -> OneProcessor:
        self._at(0.0, self._arrive)
        self._at(0.0, self._look_at_load)
        while self._events:
            now, _, event = heapq.heappop(self._events)
            event(now)
        return self

    def _at(self, at_s: float, event: Callable[[float], None]) -> None:
        heapq.heappush(self._events, (at_s, next(self._numbers), event))

    def _work(self, now: float, seconds: float, then: Callable[[float], None]) -> None:
        self._free_s = max(self._free_s, now) + seconds
        self.worked_s += seconds
        self._at(self._free_s, then)

    def _arrive(self, now: float) -> None:
        token = len(self._arrived_s)
        self._arrived_s.append(now)
        self._work(now, JOB_S, lambda at: self._deliver(at, token))
        if now < UNTIL_S:
            self._at(now + self._chance.expovariate(self.rate), self._arrive)

    def _deliver(self, now: float, token: int) -> None:
        self.policy.add(token, now, key="a")
        self._collect(now)

    def _look_at_load(self, now: float) -> None:
        if self.weighs:
            self.policy.observe_platform(BATCH_S)
            self.policy.observe_load(min((self.worked_s - self._worked_before_s) / LOOK_S, 1.0))
        self._worked_before_s = self.worked_s
        if now < UNTIL_S:
            self._at(now + LOOK_S, self._look_at_load)

    def _collect(self, now: float) -> None:
        if self._claims or not self._slots:
            return
        free_at = self.lanes.free_at(now)
        sealed = self.policy.take(now, device_free_at=free_at)
        if sealed is None:
            due = self.policy.due_at(now, device_free_at=free_at)
            if due is not None:
                self._at(max(due, now + 1e-6), self._collect)
            return
        self._claims, self._slots = True, self._slots - 1
        self.lanes.promise(self.policy.service_time("a").seconds(len(sealed.tokens)))
        self._work(now, BATCH_S / 2, lambda at: self._claimed(at, sealed, at - now))

    def _claimed(self, now: float, sealed: SealedBatch[int], seconds: float) -> None:
        self._claims = False
        self.policy.observe_claim(seconds)
        self._ready.append(sealed)
        self._start(now)
        self._collect(now)

    def _start(self, now: float) -> None:
        if not self._runs and self._ready:
            self._runs, sealed = True, self._ready.popleft()
            size = len(sealed.tokens)
            self.lanes.start(0, now, self.policy.service_time("a").seconds(size))
            self._at(now + RUN_S + ITEM_S * size, lambda at: self._ended(at, sealed, at - now))

    def _ended(self, now: float, sealed: SealedBatch[int], seconds: float) -> None:
        self._runs, self._slots = False, self._slots + 1
        self.policy.observe("a", len(sealed.tokens), seconds)
        self.lanes.end(0)
        self.sizes.append(len(sealed.tokens))
        self._work(now, BATCH_S / 2, lambda at: self._stored(at, sealed))
        self._start(now)
        self._collect(now)

    def _stored(self, now: float, sealed: SealedBatch[Any]) -> None:
        self.waits_s += [now - self._arrived_s[token] for token in sealed.tokens]


@pytest.mark.parametrize("rate", [300, 500])
def test_on_a_busy_platform_it_costs_less_and_everybody_waits_less(rate: float) -> None:
    before, after = OneProcessor(rate, weighs=False).run(), OneProcessor(rate, weighs=True).run()
    assert len(before.waits_s) == len(after.waits_s)
    assert fmean(after.sizes) > 1.2 * fmean(before.sizes)
    assert after.worked_s < 0.9 * before.worked_s
    assert median(after.waits_s) < 0.95 * median(before.waits_s)


def test_on_a_platform_with_room_nothing_changes() -> None:
    before, after = OneProcessor(20, weighs=False).run(), OneProcessor(20, weighs=True).run()
    assert (after.sizes, after.waits_s) == (before.sizes, before.waits_s)
