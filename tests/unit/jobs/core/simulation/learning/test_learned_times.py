"""What a simulated worker did gives back the times that it had, although batches waited for each other."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from jobs.core.batching.sealed_batch import BatchLimits, SealedBatch
from jobs.core.simulation.agenda import Agenda
from jobs.core.simulation.arrivals import Arrival, poisson
from jobs.core.simulation.learning.learned_times import LearnedTimes, learn
from jobs.core.simulation.learning.observed_batch import ObservedBatch
from jobs.core.simulation.ledger import LedgerRow
from jobs.core.simulation.plan import Crew, Overheads, SimulationPlan, Timing
from jobs.core.simulation.worker import SimulatedWorker
from tests.unit.jobs.core.simulation.plans import plan

CLAIM, SETTLE = Timing(0.006, 0.0002), Timing(0.008, 0.0005)


@dataclass
class LedgerNotes:
    """The ledger of one simulated worker, as the platform would keep it."""

    agenda: Agenda
    lanes: int
    sealed_s: dict[int, float] = field(default_factory=dict)
    ran_s: dict[int, tuple[float, float]] = field(default_factory=dict)
    batches: list[ObservedBatch] = field(default_factory=list)

    def sealed(self, batch: SealedBatch[Arrival]) -> None:
        self.sealed_s[id(batch.tokens[0])] = self.agenda.now

    def claimed(self, row: LedgerRow, arrivals: Sequence[Arrival]) -> None:
        assert row.size == len(arrivals)

    def ended(self, batch: SealedBatch[Arrival], seconds: float) -> None:
        self.ran_s[id(batch.tokens[0])] = seconds, self.agenda.now

    def settled(self, worker: SimulatedWorker, row: LedgerRow, arrivals: Sequence[Arrival]) -> None:
        del worker
        first = id(arrivals[0])
        sealed_s, (ran_s, ended_s) = self.sealed_s[first], self.ran_s[first]
        claim_s = CLAIM.mean_s(row.size)
        lane_s = ended_s - ran_s - sealed_s - claim_s
        delivered_s = tuple(0.004 + 0.002 * (n % 2) for n in range(row.size))
        self.batches.append(
            ObservedBatch(
                1, self.lanes, row.size, row.size, sealed_s, claim_s, lane_s, ran_s,
                row.finished_s - ended_s, delivered_s,
            )
        )  # fmt: skip

    def expired(self, worker: SimulatedWorker, arrivals: Sequence[Arrival]) -> None:
        raise AssertionError(worker, arrivals)

    def put_back(self, worker: SimulatedWorker, arrivals: Sequence[Arrival], delay_s: float) -> None:
        raise AssertionError(worker, arrivals, delay_s)


def learned(given_plan: SimulationPlan, rate_per_s: float) -> LearnedTimes:
    agenda, chance = Agenda(), random.Random(1).random
    notes = LedgerNotes(agenda, given_plan.crew.lanes)
    worker = SimulatedWorker(given_plan, agenda, chance, notes)
    for arrival in poisson(rate_per_s, chance, count=4_000):
        agenda.advance(arrival.at_s)
        worker.deliver([arrival])
    agenda.finish()
    return learn(notes.batches)


@pytest.mark.parametrize("rate_per_s", [60.0, 150.0])
def test_run_claim_delivery_and_rate_come_back_at_any_load(rate_per_s: float) -> None:
    given_plan = plan(
        Timing(0.04, 0.002, jitter=0.2), BatchLimits(16), overheads=Overheads(0.0, CLAIM, SETTLE)
    )
    times = learned(given_plan, rate_per_s)
    assert times.run.mean_s(2) == pytest.approx(0.044, rel=0.1)  # at the higher load there are few of two
    assert times.run.mean_s(8) == pytest.approx(0.056, rel=0.04)
    assert times.run.seconds(4, lambda: 0.0) == pytest.approx(0.048 * 0.8, rel=0.05)
    assert times.overheads.claim.mean_s(4) == pytest.approx(CLAIM.mean_s(4), rel=0.05)
    assert times.overheads.deliver_s == pytest.approx(0.005, rel=0.05)
    assert times.arrivals_per_s == pytest.approx(rate_per_s, rel=0.05)


def test_a_settle_is_learned_from_those_after_which_another_one_waited() -> None:
    overheads = Overheads(0.0, CLAIM, Timing(0.03, 0.002))
    crew = Crew(lanes=4)
    times = learned(
        plan(Timing(0.04, 0.002, jitter=0.3), BatchLimits(4), overheads=overheads, crew=crew), 150.0
    )
    assert times.overheads.settle.mean_s(4) == pytest.approx(0.038, rel=0.15)


def test_where_no_settle_waited_it_is_taken_to_last_as_long_as_a_claim() -> None:
    times = learned(plan(Timing(0.04), BatchLimits(16), overheads=Overheads(0.0, CLAIM, SETTLE)), 10.0)
    assert times.overheads.settle.mean_s(1) == pytest.approx(CLAIM.mean_s(1), rel=0.05)


@pytest.mark.parametrize("crowding", [0.0, 0.5])
def test_how_much_lanes_slow_each_other_is_learned_apart_from_the_run_itself(crowding: float) -> None:
    crew = Crew(lanes=2)
    run = Timing(0.04, 0.002, jitter=0.1, crowding=crowding)
    times = learned(plan(run, BatchLimits(16), crew=crew, overheads=Overheads(0.0, CLAIM, SETTLE)), 120.0)
    assert times.run.crowding == pytest.approx(crowding, abs=0.08)
    assert times.run.mean_s(4) == pytest.approx(0.048, rel=0.08)


def test_newer_batches_count_more_than_older_ones() -> None:
    old = [ObservedBatch(1, 1, 4, 4, 0.1 * n, 0.005, 0.0, 0.2, 0.001) for n in range(100)]
    new = [replace(batch, sealed_s=batch.sealed_s + 30.0, ran_s=0.05) for batch in old]
    assert learn([*old, *new]).run.mean_s(4) < 0.08
