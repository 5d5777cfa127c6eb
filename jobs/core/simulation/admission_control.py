"""Admission in virtual time: the product's own survey, estimate and decision, for one web process.

Two loops of the product become due times here. The surveyor counts every `COUNT_EVERY_S`, and the web
process reads the last count at the first request that comes `READ_EVERY_S` after its last read.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from math import inf

from jobs.core.admission.queue_count import COUNT_EVERY_S, QueueCount, WaitingGroup, counted
from jobs.core.admission.queue_estimate import QueueEstimate
from jobs.core.admission.queue_survey import QueueSurvey
from jobs.core.admission.queue_view import OWN_S, READ_EVERY_S, STALE_S, QueueView
from jobs.core.admission.shedding import Shed, WaitLimits, shed_from
from jobs.core.simulation.arrivals import Arrival
from jobs.core.simulation.ledger import Ledger, LedgerRow
from jobs.core.simulation.plan import SimulationPlan

_READS = int((STALE_S + OWN_S) / READ_EVERY_S) + 2  # what came before so many reads counts no more
_NEAR_FULL = 0.25  # of the jobs that may wait: below, no estimate is at the bound


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
        self._total = 0
        self._admitted = deque[int]([], 3)  # since each of the last reads
        # What the view has not seen yet, one list a read: it is asked only where a job might be refused.
        self._unseen = deque[list[Callable[[], object]]]([], _READS)
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
        if now - self._read_s >= READ_EVERY_S:
            self._read_s = now
            self._admitted.append(0)
            self._unseen.append([partial(self._view.renew, self._count, self._counted_s)])
        shed = self._refusal(arrival, now) if self._may_refuse(arrival) else None
        if shed is None:
            self._unseen[-1].append(partial(self._view.add, arrival.priority, arrival.client, 1, now))
            self._waiting[arrival.priority, arrival.client] += 1
            self._total += 1
            self._admitted[-1] += 1
        return shed

    def _may_refuse(self, arrival: Arrival) -> bool:
        """Return False for a job that no estimate would refuse: most simulations look at none then."""
        model = self._plan.models[arrival.version]
        sheds = self._plan.sheds and model.limits.p95_goal_s > 0.0
        return sheds or arrival.deadline_in_s is not None or self._at_most() > _NEAR_FULL * model.max_waiting

    def _at_most(self) -> int:
        """Return how many may wait as a process sees it that learned of no end since its last reads."""
        return self._total + sum(self._admitted)

    def _refusal(self, arrival: Arrival, now: float) -> Shed | None:
        estimate = self._estimate()
        place = estimate.place(arrival.priority, arrival.client, now)
        return shed_from(estimate.count, place, self._limits(arrival))

    def claimed(self, row: LedgerRow, arrivals: Sequence[Arrival]) -> None:
        """Take jobs out of what waits; those that did not expire at the claim are the batch of `row`."""
        for arrival in arrivals:
            self._waiting[arrival.priority, arrival.client] -= 1
        self._total -= len(arrivals)
        if row.size:
            self._ledger.open(row)

    def queued_again(self, arrival: Arrival) -> None:
        """Count a job that waits again: for a retry, or for another worker."""
        self._waiting[arrival.priority, arrival.client] += 1
        self._total += 1

    def finished(self, row: LedgerRow) -> None:
        """Close the row of a batch whose outcomes are stored."""
        self._ledger.close(row)

    def _estimate(self) -> QueueEstimate:
        """Return the view's estimate, once it has seen what was read and admitted since the last look."""
        for see in chain.from_iterable(self._unseen):
            see()
        self._unseen.clear()
        self._unseen.append([])
        assert self._view.estimate is not None  # noqa: S101  # the first job reads a count
        return self._view.estimate

    def _limits(self, arrival: Arrival) -> WaitLimits:
        model = self._plan.models[arrival.version]
        goal_s = model.limits.p95_goal_s if self._plan.sheds else 0.0
        return WaitLimits(model.max_waiting, goal_s, arrival.deadline_in_s)
