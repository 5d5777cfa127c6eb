"""The simulator refuses as the product does: the front door, fed the same counts, decides each job alike."""

from __future__ import annotations

import random
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from jobs.core.admission.shedding import Shed
from jobs.core.batching.sealed_batch import BatchLimits
from jobs.core.errors import OverloadedError
from jobs.core.simulation.admission_control import AdmissionControl
from jobs.core.simulation.arrivals import Arrival, Mix, poisson
from jobs.core.simulation.plan import Crew, Model, Overheads, SimulationPlan, Timing
from jobs.core.simulation.world import simulate
from jobs.core.submission.parsed_job import ParsedJob
from jobs.services.access.owner import Owner
from jobs.services.admission import admit, queues
from jobs.services.admission.queues import QueueRow
from models_registry.core.options import PlatformOptions

GOAL_S = 0.5
OVERHEADS = Overheads(0.01, Timing(0.005), Timing(0.005))
CASES = {  # by the reason for which most are refused: the jobs, and how many may wait
    "goal": (Mix(priorities=(0, 4, 9), clients=3), 10_000),
    "deadline": (Mix(priorities=(4, 9), clients=2, deadline_in_s=0.2), 10_000),
    "full": (Mix(), 150),
}


class FrontDoor:
    """The product's front door at a virtual time, with the counts of a simulation in place of its table."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]) -> None:
        self.now, self.counts = 0.0, list[QueueRow]()
        self._options = PlatformOptions.of(options)
        monkeypatch.setattr(queues, "monotonic", lambda: self.now)
        monkeypatch.setattr(queues, "fetch_all", lambda *_: self.counts)
        monkeypatch.setattr(admit, "circuit_of", lambda *_: None)
        monkeypatch.setattr(admit, "is_paused", lambda *_: False)
        queues.forget_queues()

    def refusal(self, arrival: Arrival) -> OverloadedError | None:
        version = SimpleNamespace(
            id=1, model="m", version="1", p95_goal_s=GOAL_S, platform_options=self._options
        )
        job = ParsedJob(
            version, arrival.priority, 3, 1, arrival.deadline_in_s, b"{}", None, None, None, None, "bypass"
        )
        owner = Owner(arrival.client, "app", 1, frozenset())
        refusal = admit.admit_jobs(owner=owner, jobs={0: job}).refusals.get(0)
        assert refusal is None or isinstance(refusal, OverloadedError)
        return refusal


@pytest.mark.parametrize("reason", CASES)
def test_the_front_door_and_the_simulator_refuse_the_same_jobs(
    monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    mix, max_waiting = CASES[reason]
    door = FrontDoor(monkeypatch, {"shed": reason == "goal", "max_waiting": max_waiting})
    refusals, decide = Counter[str](), AdmissionControl.decide

    def both(self: AdmissionControl, arrival: Arrival, now: float) -> Shed | None:
        door.now = now
        door.counts = [_row(self, now)]
        shed, refusal = decide(self, arrival, now), door.refusal(arrival)
        assert (shed is None) == (refusal is None)
        if shed is not None and refusal is not None:
            details = refusal.details
            assert (shed.why, shed.retry_after_s) == (details["reason"], details["retry_after_s"])
            assert f"{shed.expected.position:,} jobs are ahead" in str(refusal)
            refusals[shed.why] += 1
        return shed

    monkeypatch.setattr(AdmissionControl, "decide", both)
    model = Model(Timing(0.04, 0.0005), BatchLimits(32, p95_goal_s=GOAL_S), max_waiting)
    plan = SimulationPlan({0: model}, Crew(workers=2), OVERHEADS, sheds=reason == "goal")
    chance = random.Random(1).random
    report = simulate(plan, poisson(1_500.0, chance, mix=mix, until_s=4.0), chance)
    assert report.refused == refusals.total()
    assert refusals[reason] > 500


def _row(control: AdmissionControl, now: float) -> QueueRow:
    """Return the last count as a row of the product's table."""
    count = control._count
    return QueueRow(
        slow_from={},
        queue="m",
        waiting=list(count.waiting),
        head_age_s=list(count.head_age_s),
        spans=[{}] * 10,
        workers=count.workers or 0,
        worker_per_s=count.worker_per_s,
        start_s=count.start_s,
        mean_age_s=list(count.mean_age_s),
        per_s=count.per_s,
        answer_s=count.answer_s,
        arriving_per_s=count.arriving_per_s,
        by_client=[{str(client): jobs for client, jobs in level.items()} for level in count.by_client],
        counted_age_s=now - control._counted_s,
    )


def test_a_version_at_its_limit_of_waiting_jobs_refuses_more_with_any_goal() -> None:
    model = Model(Timing(0.1), BatchLimits(max_batch=1), max_waiting=5)
    report = simulate(SimulationPlan({0: model}), [Arrival(0.0) for _ in range(20)], lambda: 0.5)
    assert (report.refused, report.served) == (15, 5)
