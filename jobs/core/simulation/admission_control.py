"""Admission in virtual time: the product's own survey, estimate and decision, for one web process.

Two loops of the product become due times here. The surveyor counts every `COUNT_EVERY_S`, and the web
process reads the last count at the first request that comes `READ_EVERY_S` after its last read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import inf

from jobs.core.admission.queue_count import COUNT_EVERY_S, QueueCount, WaitingGroup, counted
from jobs.core.admission.queue_estimate import QueueEstimate
from jobs.core.admission.queue_survey import QueueSurvey
from jobs.core.admission.queue_view import READ_EVERY_S, QueueView
from jobs.core.admission.shedding import Shed, WaitLimits, shed_from
from jobs.core.simulation.arrivals import Arrival
from jobs.core.simulation.ledger import Ledger, LedgerRow
from jobs.core.simulation.plan import SimulationPlan


class AdmissionControl:
    """Admits or refuses jobs of one model; `count_due_s` is when the surveyor counts next."""

    def __init__(self, plan: SimulationPlan, now: float) -> None:
        """Start with a count of the empty queue.

        Its age is half the interval, the mean of a process that reads independently of the surveyor.
        """
        self._plan = plan
        self._survey, self._view = QueueSurvey(), QueueView()
        self._ledger = Ledger({version: model.limits for version, model in plan.models.items()})
        self._waiting = Counter[tuple[int, int]]()  # by priority and client
        self._counted_s, self._read_s = -inf, -inf
        self._count = self.count(now - COUNT_EVERY_S / 2)

    @property
    def count_due_s(self) -> float:
        """Return when the surveyor is to count again."""
        return self._counted_s + COUNT_EVERY_S

    def count(self, now: float) -> QueueCount:
        """Count what waits and what the workers did, as the surveyor does, and return it."""
        since_s = None if self._counted_s == -inf else now - self._counted_s
        groups = [WaitingGroup(*group, jobs) for group, jobs in self._waiting.items() if jobs]
        ledger = self._ledger.count(now, since_s=since_s or COUNT_EVERY_S)
        workers = self._plan.crew.workers
        self._count = self._survey.observe(counted(groups), ledger, workers=workers, since_s=since_s)
        self._counted_s = now
        return self._count

    def decide(self, arrival: Arrival, now: float) -> Shed | None:
        """Admit the job and return None, or return its refusal."""
        estimate = self._estimate(now)
        place = estimate.place(arrival.priority, arrival.client, now)
        shed = shed_from(estimate.count, place, self._limits(arrival))
        if shed is None:
            self._view.add(arrival.priority, arrival.client, 1, now)
            self._waiting[arrival.priority, arrival.client] += 1
        return shed

    def claimed(self, row: LedgerRow, arrivals: Sequence[Arrival]) -> None:
        """Take jobs out of what waits; those that did not expire at the claim are the batch of `row`."""
        for arrival in arrivals:
            self._waiting[arrival.priority, arrival.client] -= 1
        if row.size:
            self._ledger.open(row)

    def queued_again(self, arrival: Arrival) -> None:
        """Count a job that waits again: for a retry, or for another worker."""
        self._waiting[arrival.priority, arrival.client] += 1

    def finished(self, row: LedgerRow) -> None:
        """Close the row of a batch whose outcomes are stored."""
        self._ledger.close(row)

    def _estimate(self, now: float) -> QueueEstimate:
        estimate = self._view.estimate
        if estimate is None or now - self._read_s >= READ_EVERY_S:
            self._read_s = now
            estimate = self._view.renew(self._count, self._counted_s)
        return estimate

    def _limits(self, arrival: Arrival) -> WaitLimits:
        model = self._plan.models[arrival.version]
        goal_s = model.limits.p95_goal_s if self._plan.sheds else 0.0
        return WaitLimits(model.max_waiting, goal_s, arrival.deadline_in_s)
