"""Feeds one queue of the broker from the outbox: tops it up, and holds no row lock while it waits."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import sqlalchemy as sa

from jobs import metrics
from jobs.broker import broker_queues
from jobs.broker.job_message import outgoing
from jobs.broker.publisher import ConfirmingPublisher, Outcome
from jobs.core.circuits.gate import CircuitGate, CircuitStanding
from jobs.core.errors import BrokerUnavailableError
from jobs.core.priority import HIGHEST, LEVELS
from jobs.core.relay.publish_policy import (
    VISIBILITY_S,
    FastSide,
    copies_are_useless,
    jobs_a_message,
    reserve,
    rooms,
)
from jobs.core.relay.queue_depth import BACKLOG_MOST, Depth
from jobs.core.retry.budget import RetryBudget, RetryBudgets
from jobs.services.dead_letters.publish import LetterPost
from jobs.services.relay import statements as feed
from jobs.services.relay.postpone import postpone
from jobs.services.relay.statements import Taken

log = logging.getLogger(__name__)

MOST = 1_024
MOST_SHARED = 32  # jobs a message, where another relay published them
FULL_S = 0.02
OVERDUE_EVERY_S = WORKERS_EVERY_S = 1.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
UNKNOWN_DELAY_S = 2.0
UNROUTABLE_DELAY_S = 1.0


@dataclass
class FeedPace:
    """When the queue is read again, in seconds of a monotonic clock."""

    full_until: float = 0.0
    overdue_at: float = 0.0
    paused_until: float = 0.0
    pause_s: float = FIRST_PAUSE_S
    workers_at: float = 0.0


class QueueFeeder:
    """One queue that a relay owns; `undeclared` is True where the broker has no such queue."""

    def __init__(
        self,
        queue: str,
        *,
        depth: int = 0,
        publisher: ConfirmingPublisher,
        max_batch: Callable[[int], int],
        budget: Callable[[int], RetryBudget] = lambda _version: RetryBudget(),
        circuits: Callable[[], Mapping[int, CircuitStanding]] = dict,
    ) -> None:
        """Prepare to keep the queue of the model named `queue` at `depth` jobs a level, 0 for automatic.

        `max_batch` and `budget` return, for the row id of a version, how many jobs a batch may hold and a
        new budget of retries; `circuits` returns the circuits that are not closed.
        """
        self.queue = queue
        self.undeclared = False
        self._recalled, self._depth = depth or BACKLOG_MOST, Depth(depth)
        self._largest = self._workers = 1
        self._publisher = publisher
        self._max_batch = max_batch
        self._pace = FeedPace()
        self._shared = MOST_SHARED
        self._letters = LetterPost(queue, publisher)
        self._budgets = RetryBudgets(budget)
        self._circuits, self._gate = circuits, CircuitGate()
        self._fast = FastSide()

    def feed(self, session: sa.Connection, now: float) -> int:
        """Publish what is due and has room, dead letters first; return how many rows were taken."""
        letters = self._letters.post(session, now)
        self.undeclared = self.undeclared or self._letters.undeclared
        return letters + self._feed_jobs(session, now)

    def _feed_jobs(self, session: sa.Connection, now: float) -> int:
        if now < self._pace.paused_until:
            return 0
        overdue, fresh = self._overdue(session, now), self._fresh(session, now)
        passed = self._let_through(session, overdue, now)
        passed += self._within_budget(session, self._let_through(session, fresh, now), now)
        if passed:
            self._publish(session, passed, now)
        return len(overdue) + len(fresh)

    def recover(self, session: sa.Connection) -> None:
        """After a connect, publish the jobs in flight again, evenly, if the broker's queue is empty."""
        self._letters.recover(session)
        counts = broker_queues.counts(self._publisher.connection, self.queue)
        if counts is not None and counts.ready:
            return
        self._shared = 1
        # A queue's depth is what its workers take in a few seconds, so a second of it is no flood.
        feed.recall(session, self.queue, most=LEVELS * self._recalled, per_s=self._recalled)

    def _fresh(self, session: sa.Connection, now: float) -> list[Taken]:
        if now < self._pace.full_until:
            return []
        in_flight = feed.in_flight(session, self.queue)
        metrics.OUTBOX_IN_FLIGHT.labels(self.queue).set(sum(in_flight.values()))
        depth = self._depth_now(in_flight, now)
        room = rooms(in_flight, depth)
        if not room[HIGHEST]:
            self._pace.full_until = now + FULL_S
        few = reserve(depth)
        return feed.take_fresh(session, self.queue, rooms=room, most=MOST, held=in_flight, reserve=few)

    def _depth_now(self, in_flight: Mapping[tuple[int, int], int], now: float) -> int:
        if now >= self._pace.workers_at:
            self._pace.workers_at = now + WORKERS_EVERY_S
            counts = broker_queues.counts(self._publisher.connection, self.queue)
            self._workers = counts.consumers if counts else 0
        return self._depth.look(
            sum(in_flight.values()), workers=self._workers, max_batch=self._largest, now=now
        )

    def _let_through(self, session: sa.Connection, rows: list[Taken], now: float) -> list[Taken]:
        """Return the rows whose circuits let them through; the others stay in the outbox."""
        passed, held = self._gate.split(rows, self._circuits(), now)
        for group in held:
            self._give_back(session, group.rows, absent=True, delay_s=group.delay_s)
        return passed

    def _within_budget(self, session: sa.Connection, rows: list[Taken], now: float) -> list[Taken]:
        """Return the rows to publish now; retries over their version's budget become due a little later."""
        passed, over = self._budgets.split(rows, now)
        if over:
            postpone(session, over)
            metrics.RETRIES_POSTPONED.labels(self.queue).inc(len(over))
        return passed

    def _overdue(self, session: sa.Connection, now: float) -> list[Taken]:
        if now < self._pace.overdue_at:
            return []
        self._pace.overdue_at = now + OVERDUE_EVERY_S
        if not feed.any_overdue(session, self.queue):
            return []
        if self._copies_are_useless(session):
            feed.postpone_overdue(session, self.queue, most=MOST, delay_s=VISIBILITY_S)
            return []
        rows = feed.take_overdue(session, self.queue, most=MOST)
        if len(rows) == MOST:
            self._pace.overdue_at = now
        return rows

    def _copies_are_useless(self, session: sa.Connection) -> bool:
        counts = broker_queues.counts(self._publisher.connection, self.queue)
        if counts is None:
            self.undeclared = True
            return False
        in_flight = sum(feed.in_flight(session, self.queue).values())
        return copies_are_useless(
            ready=counts.ready, bundled=self._shared, consumers=counts.consumers, in_flight=in_flight
        )

    def _publish(self, session: sa.Connection, rows: Sequence[Taken], now: float) -> None:
        try:
            outcomes = self._send(rows)
        except BrokerUnavailableError:
            self._give_back(session, rows, absent=True, delay_s=0)
            raise
        self._count(rows, outcomes)
        for outcome in set(outcomes):
            alike = [row for row, of_row in zip(rows, outcomes, strict=True) if of_row is outcome]
            self._answer(session, outcome, alike, now)

    def _send(self, rows: Sequence[Taken]) -> list[Outcome]:
        """Publish the rows, several a message under backlog; return an outcome for each row."""
        self._largest = max(self._largest, *(self._max_batch(row.version) for row in rows))
        bundles = list(_bundles(rows, self._fast.choose(rows), self._max_batch))
        self._shared = max(self._shared, *(len(bundle) for bundle, _ in bundles))
        messages = [
            outgoing(self.queue, [row.envelope for row in bundle], fast=fast) for bundle, fast in bundles
        ]
        sent = zip(bundles, self._publisher.publish(messages), strict=True)
        return [outcome for (bundle, _), outcome in sent for _ in bundle]

    def _answer(self, session: sa.Connection, outcome: Outcome, rows: Sequence[Taken], now: float) -> None:
        if outcome is Outcome.CONFIRMED:
            self._pace.pause_s = FIRST_PAUSE_S
            self._budgets.published(rows, now)
            self._depth.published(len(rows))
            metrics.RETRIES_PUBLISHED.labels(self.queue).inc(sum(row.retry for row in rows))
        elif outcome is Outcome.NACKED:
            self._pause(now)
            self._give_back(session, rows, absent=True, delay_s=self._pace.paused_until - now)
        elif outcome is Outcome.UNROUTABLE:
            self.undeclared = True
            self._give_back(session, rows, absent=True, delay_s=UNROUTABLE_DELAY_S)
        else:
            self._give_back(session, rows, absent=False, delay_s=UNKNOWN_DELAY_S)

    def _pause(self, now: float) -> None:
        log.warning("%s: the broker refuses messages; paused for %.1f s", self.queue, self._pace.pause_s)
        self._pace.paused_until = now + self._pace.pause_s
        self._pace.pause_s = min(LONGEST_PAUSE_S, 2 * self._pace.pause_s)

    def _give_back(
        self, session: sa.Connection, rows: Sequence[Taken], *, absent: bool, delay_s: float
    ) -> None:
        feed.give_back(session, [row.envelope for row in rows], absent=absent, delay_s=delay_s)

    def _count(self, rows: Sequence[Taken], outcomes: Sequence[Outcome]) -> None:
        for outcome, count in Counter(outcomes).items():
            metrics.RELAY_PUBLISHED.labels(self.queue, outcome.value).inc(count)
        lag = metrics.RELAY_LAG.labels(self.queue)
        for row in rows:
            lag.observe(max(0.0, row.late_s))


def _bundles(
    rows: Sequence[Taken], fast: Sequence[bool], max_batch: Callable[[int], int]
) -> Iterator[tuple[list[Taken], bool]]:
    """Yield the rows by version, priority and side in their order, as many together as a message may hold."""
    for (version, _, side), pairs in groupby(zip(rows, fast, strict=True), _shared_by):
        alike = [row for row, _ in pairs]
        most = jobs_a_message(taken=len(rows), max_batch=max_batch(version))
        yield from ((alike[start : start + most], side) for start in range(0, len(alike), most))


def _shared_by(pair: tuple[Taken, bool]) -> tuple[int, int, bool]:
    row, fast = pair
    return row.envelope.version, row.envelope.priority, fast
