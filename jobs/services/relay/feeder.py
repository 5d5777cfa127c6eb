"""Feeds one queue of the broker from the outbox; never waits while it holds a row lock."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence

import sqlalchemy as sa

from jobs import metrics
from jobs.broker import broker_queues
from jobs.broker.publisher import ConfirmingPublisher, Outcome
from jobs.core.circuits.gate import CircuitGate, Circuits
from jobs.core.circuits.paused_work import PAUSED_HOLD_S, Paused, split_paused
from jobs.core.errors import BrokerUnavailableError
from jobs.core.outage_kinds import OutageKind
from jobs.core.priority import HIGHEST, LEVELS
from jobs.core.queue_names import is_slow, model_of_queue, slow_queue
from jobs.core.relay.publish_policy import (
    VISIBILITY_S,
    copies_are_useless,
    reserve,
    rooms,
)
from jobs.core.relay.queue_depth import BACKLOG_MOST, Depth
from jobs.core.relay.slow_rows import SlowFrom, split_slow
from jobs.core.retry.budget import RetryBudget, RetryBudgets
from jobs.services.circuits.outages import OutageLog
from jobs.services.dead_letters.publish import MOST as MOST_DEAD_LETTERS
from jobs.services.dead_letters.publish import DeadLetterPublisher
from jobs.services.relay import statements as feed
from jobs.services.relay.feed_pace import FeedPace
from jobs.services.relay.feed_sender import FeedSender
from jobs.services.relay.postpone import postpone
from jobs.services.relay.quick_take import FEW, take_few
from jobs.services.relay.slow_lane import to_slow_lane
from jobs.services.relay.statements import DueRow
from jobs.services.relay.waiting_groups import WaitingGroups

log = logging.getLogger(__name__)

MOST = 1_024
FULL_S = 0.02
OVERDUE_EVERY_S = WORKERS_EVERY_S = 1.0
UNKNOWN_DELAY_S = 2.0
UNROUTABLE_DELAY_S = 1.0


class QueueFeeder:
    """Feeds one queue that its relay owns; `undeclared` says that the broker has no such queue.

    It `rests` where the last look took all there was: it need not look again before a signal, or a find of
    the look at all queues.
    """

    def __init__(  # noqa: PLR0913  # what the feeding of a queue depends on
        self,
        queue: str,
        *,
        depth: int = 0,
        publisher: ConfirmingPublisher,
        max_batch: Callable[[int], int],
        budget: Callable[[int], RetryBudget] = lambda _version: RetryBudget(),
        circuits: Callable[[], Circuits] = dict,
        paused: Callable[[], Paused] = Paused,
        slow_from: Callable[[], SlowFrom] = dict,
    ) -> None:
        """Prepare to keep `queue`, a model's or its slow lane's, at `depth` jobs a level; 0: its own choice.

        `max_batch` returns the largest batch of a version's row id, `budget` makes its retry budget;
        `circuits` returns the circuits that are not closed, `paused` what an operator has paused, and
        `slow_from` which jobs of a model's queue go to its slow lane.
        """
        self.queue, self._model = queue, model_of_queue(queue)
        self.undeclared = self.rests = False
        self._recalled, self._depth = depth or BACKLOG_MOST, Depth(depth)
        self._room = 0  # what the queue may hold, as it was last reckoned
        self._workers = 1
        self._publisher = publisher
        self._sender = FeedSender(queue, publisher, max_batch)
        self._pace = FeedPace()
        self._dead_letters = DeadLetterPublisher(self._model, publisher)
        self._budgets = RetryBudgets(budget)
        self._circuits, self._gate, self._paused = circuits, CircuitGate(), paused
        self._slow_from = dict if is_slow(queue) else slow_from
        self._outages = OutageLog()
        self._waiting = WaitingGroups(queue)

    @property
    def marks(self) -> tuple[float, float]:
        """Return the times from which on nobody has looked for fresh and for overdue rows."""
        return self._waiting.since_s, self._waiting.in_flight.overdue_s

    @property
    def counted_at(self) -> float:
        """Return when what is in flight was last counted."""
        return self._pace.counted_at

    def looked(self, now_s: float) -> None:
        """Note that another's look found nothing due, at the database's time `now_s`."""
        self._waiting.looked(now_s)

    def wake(self) -> None:
        """Look from further back at the next feed, because something lies there."""
        self._waiting.look_again()
        self._pace.overdue_at = 0.0

    def lies_below(self, key: tuple[int, int], low_s: float, *, published: bool) -> None:
        """Note rows below the marks: of a priority and client, or (`published`) in flight."""
        if published:
            self._waiting.in_flight.overdue_since(low_s)
        else:
            self._waiting.lies_below(key, low_s)

    def feed(self, session: sa.Connection, now: float) -> int:
        """Publish due jobs that have room; return how many rows were due."""
        self.rests = False  # whoever woke it saw something, and it may not be time to look
        if self._model in self._paused().models:
            self.rests = True
            return 0
        if now < self._pace.paused_until:
            return 0
        if self._few_would_have_room():
            overdue, fresh = list[DueRow](), self._take_few(session)
        else:
            overdue, fresh = self._overdue(session, now), self._fresh(session, now)
            self.rests = self.rests and not overdue
        passed = self._let_through(session, overdue, now)
        passed += self._within_budget(session, self._let_through(session, fresh, now), now)
        if passed:
            self._publish(session, passed, now)
        return len(overdue) + len(fresh)

    def post_dead_letters(self, session: sa.Connection) -> bool:
        """Publish due dead letters of the model; return whether there are more."""
        posted = self._dead_letters.post(session)
        self.undeclared = self.undeclared or self._dead_letters.undeclared
        return posted == MOST_DEAD_LETTERS

    def count(self, session: sa.Connection) -> None:
        """Count what is in flight, if anything may be."""
        in_flight = self._waiting.in_flight
        if in_flight.at_most.total():
            in_flight.count(session)
        self._show_in_flight()

    def recover(self, session: sa.Connection) -> None:
        """After a connect: if the broker's queue is empty, the jobs in flight become due again, evenly."""
        if not is_slow(self.queue):  # the model has one queue of dead letters
            self._dead_letters.recover(session)
        counts = broker_queues.counts(self._publisher.connection, self.queue)
        if counts is not None and counts.ready:
            return
        self._sender.bundled = 1
        # A queue's depth is what its workers take in a few seconds, so a second of it is no flood.
        feed.recall(session, self.queue, most=LEVELS * self._recalled, per_s=self._recalled)

    def _fresh(self, session: sa.Connection, now: float) -> list[DueRow]:
        if now < self._pace.full_until:
            return []
        in_flight = self._waiting.in_flight.count(session)
        self._show_in_flight()
        depth = self._room = self._depth_now(in_flight, now)
        room = rooms(in_flight, depth)
        if not room[HIGHEST]:
            self._pace.full_until = now + FULL_S
        few = reserve(depth)
        groups = self._waiting.fresh(session)
        rows = feed.take_fresh(
            session, self.queue, rooms=room, most=MOST, held=in_flight, reserve=few, fresh=groups
        )
        self._waiting.in_flight.published(rows)
        self._waiting.look_at_the_past(session)
        self.rests = self._waiting.none_known and not rows
        if 0 < len(rows) < min(FEW, *room.values()):
            self._waiting.look_again()
        return rows

    def _few_would_have_room(self) -> bool:
        waiting = self._waiting
        return waiting.none_known and waiting.in_flight.at_most.total() + FEW < self._room

    def _take_few(self, session: sa.Connection) -> list[DueRow]:
        in_flight = self._waiting.in_flight
        rows = take_few(session, self.queue, since_s=self._waiting.signalled_since_s, held=in_flight.at_most)
        in_flight.published(rows)
        self.rests = len(rows) < FEW
        if not self.rests:
            self._waiting.look_again()
        return rows

    def _show_in_flight(self) -> None:
        self._pace.counted_at = time.monotonic()
        metrics.OUTBOX_IN_FLIGHT.labels(self.queue).set(self._waiting.in_flight.at_most.total())

    def _depth_now(self, in_flight: Mapping[tuple[int, int], int], now: float) -> int:
        if now >= self._pace.workers_at:
            self._pace.workers_at = now + WORKERS_EVERY_S
            counts = broker_queues.counts(self._publisher.connection, self.queue)
            self._workers = counts.consumers if counts else 0
        return self._depth.look(
            sum(in_flight.values()), workers=self._workers, max_batch=self._sender.largest, now=now
        )

    def _let_through(self, session: sa.Connection, rows: list[DueRow], now: float) -> list[DueRow]:
        """Return the rows that are not paused and whose circuits let them pass; the others stay.

        Those of the slow lane are moved to its queue, where its feeder asks the same.
        """
        rows, slow = split_slow(rows, self._slow_from())
        if slow:
            to_slow_lane(session, [row.envelope for row in slow], queue=slow_queue(self.queue))
        rows, waiting = split_paused(rows, self._paused())
        if waiting:
            self._give_back(session, waiting, absent=True, delay_s=PAUSED_HOLD_S)
        passed, held = self._gate.split(rows, self._circuits(), now)
        for group in held:
            self._give_back(session, group.rows, absent=True, delay_s=group.delay_s)
        return passed

    def _within_budget(self, session: sa.Connection, rows: list[DueRow], now: float) -> list[DueRow]:
        """Return the rows to publish now; retries over their version's budget become due a little later."""
        passed, over = self._budgets.split(rows, now)
        if over:
            postpone(session, over)
            self._note(session, OutageKind.RETRY_BUDGET, max(retry.delay_s for retry in over))
            metrics.RETRIES_POSTPONED.labels(self.queue).inc(len(over))
        return passed

    def _overdue(self, session: sa.Connection, now: float) -> list[DueRow]:
        if now < self._pace.overdue_at:
            return []
        self._pace.overdue_at = now + OVERDUE_EVERY_S
        in_flight = self._waiting.in_flight
        if not in_flight.any_overdue(session):
            return []
        since_s = in_flight.overdue_s
        if self._copies_are_useless(session):
            feed.postpone_overdue(session, self.queue, most=MOST, delay_s=VISIBILITY_S, since_s=since_s)
            return []
        overdue = feed.take_overdue(session, self.queue, most=MOST, since_s=since_s)
        if len(overdue) == MOST:
            self._pace.overdue_at = now
        return overdue

    def _copies_are_useless(self, session: sa.Connection) -> bool:
        counts = broker_queues.counts(self._publisher.connection, self.queue)
        if counts is None:
            self.undeclared = True
            return False
        in_flight = self._waiting.in_flight.whole(session)
        return copies_are_useless(
            ready=counts.ready, bundled=self._sender.bundled, consumers=counts.consumers, in_flight=in_flight
        )

    def _publish(self, session: sa.Connection, rows: Sequence[DueRow], now: float) -> None:
        try:
            outcomes = self._sender.send(rows)
        except BrokerUnavailableError:
            self._give_back(session, rows, absent=True, delay_s=0)
            raise
        by_outcome: dict[Outcome, list[DueRow]] = {}
        for row, outcome in zip(rows, outcomes, strict=True):
            by_outcome.setdefault(outcome, []).append(row)
        for outcome, group in by_outcome.items():
            self._note_outcome(session, outcome, group, now)

    def _note_outcome(
        self, session: sa.Connection, outcome: Outcome, rows: Sequence[DueRow], now: float
    ) -> None:
        if outcome is Outcome.CONFIRMED:
            self._pace.confirmed()
            self._budgets.published(rows, now)
            self._depth.published(len(rows))
            metrics.RETRIES_PUBLISHED.labels(self.queue).inc(sum(row.retry for row in rows))
        elif outcome is Outcome.NACKED:
            self._pause(now)
            self._note(session, OutageKind.BROKER, self._pace.paused_until - now)
            self._give_back(session, rows, absent=True, delay_s=self._pace.paused_until - now)
        elif outcome is Outcome.UNROUTABLE:
            self.undeclared = True
            self._give_back(session, rows, absent=True, delay_s=UNROUTABLE_DELAY_S)
        else:
            self._give_back(session, rows, absent=False, delay_s=UNKNOWN_DELAY_S)

    def _note(self, session: sa.Connection, kind: OutageKind, ahead_s: float) -> None:
        self._outages.note(session, kind, model=self._model, ahead_s=ahead_s)

    def _pause(self, now: float) -> None:
        log.warning("%s: the broker refuses messages; paused for %.1f s", self.queue, self._pace.pause_s)
        self._pace.pause(now)

    def _give_back(
        self, session: sa.Connection, rows: Sequence[DueRow], *, absent: bool, delay_s: float
    ) -> None:
        feed.give_back(session, [row.envelope for row in rows], absent=absent, delay_s=delay_s)
