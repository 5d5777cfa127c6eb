"""One simulated worker, watched: when it seals, and how far its stages get ahead of each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import pytest

from jobs.core.batching.sealed_batch import BatchLimits, SealedBatch
from jobs.core.simulation.agenda import Agenda
from jobs.core.simulation.arrivals import Arrival
from jobs.core.simulation.ledger import LedgerRow
from jobs.core.simulation.plan import Crew, Overheads, SimulationPlan, Timing
from jobs.core.simulation.worker import SimulatedWorker
from tests.unit.jobs.core.simulation.plans import plan


class Notes:
    def __init__(self, agenda: Agenda) -> None:
        self.agenda = agenda
        self.seals_s, self.ends_s = list[float](), list[float]()
        self.settles_s, self.put_back_s = list[float](), list[float]()
        self.ran, self.done, self.back = list[Arrival](), list[Arrival](), list[Arrival]()
        self.most_unsettled = 0

    def sealed(self, batch: SealedBatch[Arrival]) -> None:
        del batch
        self.seals_s.append(self.agenda.now)

    def claimed(self, row: LedgerRow, arrivals: Sequence[Arrival]) -> None:
        assert row.size == len(arrivals)

    def expired(self, worker: SimulatedWorker, arrivals: Sequence[Arrival]) -> None:
        raise AssertionError(worker, arrivals)

    def ended(self, batch: SealedBatch[Arrival], seconds: float) -> None:
        del seconds
        self.ends_s.append(self.agenda.now)
        self.ran += batch.tokens
        self.most_unsettled = max(self.most_unsettled, len(self.ran) - len(self.done))

    def settled(self, worker: SimulatedWorker, row: LedgerRow, arrivals: Sequence[Arrival]) -> None:
        del worker, row
        self.done += arrivals
        self.settles_s.append(self.agenda.now)

    def put_back(self, worker: SimulatedWorker, arrivals: Sequence[Arrival], delay_s: float) -> None:
        del worker
        self.put_back_s.append(delay_s)
        self.back += arrivals


def watched(given_plan: SimulationPlan, arrivals: Iterable[Arrival]) -> Notes:
    agenda = Agenda()
    notes = Notes(agenda)
    worker = SimulatedWorker(given_plan, agenda, lambda: 0.5, notes)
    for arrival in arrivals:
        agenda.advance(arrival.at_s)
        worker.deliver([arrival])
    agenda.finish()
    return notes


def test_a_batch_is_sealed_just_in_time_for_the_end_of_the_one_before() -> None:
    given_plan = plan(Timing(1.0), BatchLimits(100), overheads=Overheads(claim=Timing(0.1)))
    notes = watched(given_plan, [Arrival(number * 0.23) for number in range(500)])
    ahead_s = [end_s - seal_s for end_s, seal_s in zip(notes.ends_s, notes.seals_s[1:], strict=False)]
    assert ahead_s[40:-1] == pytest.approx([0.1] * len(ahead_s[40:-1]), abs=0.03)


@pytest.mark.parametrize("lanes", [1, 3])
def test_runs_get_ahead_of_the_settle_by_a_bounded_number_of_batches(lanes: int) -> None:
    crew = Crew(lanes=lanes)
    given_plan = plan(Timing(0.1), BatchLimits(1), crew=crew, overheads=Overheads(settle=Timing(1.0)))
    notes = watched(given_plan, [Arrival(0.0) for _ in range(40)])
    # Those that the settler stores together, those in its queue, and one that waits at each lane.
    waiting = (lanes + crew.ahead) + lanes
    assert waiting < notes.most_unsettled <= 2 * waiting


def test_what_waits_for_the_settle_is_stored_together() -> None:
    given_plan = plan(Timing(0.1), BatchLimits(1), overheads=Overheads(settle=Timing(0.35)))
    notes = watched(given_plan, [Arrival(0.0) for _ in range(9)])
    # The first alone, in 0.35 s, and then what ran meanwhile: the queue of two batches, and one at the lane.
    assert Counter(notes.settles_s).most_common(1)[0][1] == 3


def test_batches_run_and_settle_in_the_order_in_which_they_were_sealed() -> None:
    given_plan = plan(
        Timing(0.1), BatchLimits(1), crew=Crew(lanes=3), overheads=Overheads(settle=Timing(1.0))
    )
    arrivals = [Arrival(0.0) for _ in range(40)]
    notes = watched(given_plan, arrivals)
    assert notes.ran == notes.done == arrivals
