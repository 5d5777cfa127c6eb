"""Publishes the dead letters of one model, each until the broker confirms it."""

from __future__ import annotations

import logging
from collections import Counter

import sqlalchemy as sa

from jobs import metrics
from jobs.broker import broker_queues
from jobs.broker.dead_letter_message import outgoing_dead_letter
from jobs.broker.publisher import ConfirmingPublisher, Outcome
from jobs.core.errors import BrokerUnavailableError
from jobs.core.messages.dead_letter_pointer import DeadLetterMessage
from jobs.services.dead_letters import statements as dead_letters

log = logging.getLogger(__name__)

MOST = 256
RECALLED = 20_000
REFUSED_DELAY_S = 5.0
UNROUTABLE_DELAY_S = 1.0


class DeadLetterPublisher:
    """One relay's publisher for one dead-letter queue; `undeclared` where the broker has no such queue."""

    def __init__(self, queue: str, publisher: ConfirmingPublisher) -> None:
        """Prepare to publish the dead letters of the model named `queue`."""
        self.undeclared = False
        self._queue = queue
        self._publisher = publisher

    def post(self, session: sa.Connection) -> int:
        """Publish up to MOST due dead letters; return how many were due."""
        due = dead_letters.take_due(session, self._queue, most=MOST)
        if due:
            self._publish(session, due)
        return len(due)

    def recover(self, session: sa.Connection) -> None:
        """Make all dead letters due again after a connect where the broker's dead-letter queue is empty."""
        counts = broker_queues.dead_counts(self._publisher.connection, self._queue)
        if counts is not None and counts.ready:
            return
        while dead_letters.recall(session, self._queue, most=RECALLED):
            pass

    def _publish(self, session: sa.Connection, due: list[DeadLetterMessage]) -> None:
        try:
            outcomes = self._publisher.publish(
                [outgoing_dead_letter(self._queue, dead_letter) for dead_letter in due]
            )
        except BrokerUnavailableError:
            dead_letters.postpone(session, due, delay_s=0)
            raise
        for outcome, count in Counter(outcomes).items():
            metrics.DEAD_LETTERS_PUBLISHED.labels(self._queue, outcome.value).inc(count)
            alike = [dead_letter for dead_letter, its in zip(due, outcomes, strict=True) if its is outcome]
            self._record(session, outcome, alike)

    def _record(self, session: sa.Connection, outcome: Outcome, alike: list[DeadLetterMessage]) -> None:
        if outcome is Outcome.CONFIRMED:
            dead_letters.confirm(session, alike)
        elif outcome is Outcome.NACKED:
            log.warning("%s: the broker refuses %d dead letters", self._queue, len(alike))
            dead_letters.postpone(session, alike, delay_s=REFUSED_DELAY_S)
        elif outcome is Outcome.UNROUTABLE:
            self.undeclared = True
            dead_letters.postpone(session, alike, delay_s=UNROUTABLE_DELAY_S)
