"""Counts what the dead-letter queues hold, a few of them at a time, so that no count delays a publish."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from jobs.broker import broker_queues
from jobs.broker.publisher import ConfirmingPublisher
from jobs.services.dead_letters import queue_sizes

COUNT_EVERY_S = 5.0
PARTS = 10  # a count asks for so much of all queues


class LetterCounter:
    """Counts each of one relay's dead-letter queues every COUNT_EVERY_S; times are monotonic seconds."""

    def __init__(self, publisher: ConfirmingPublisher) -> None:
        """Prepare to count over the publisher's connection."""
        self._publisher = publisher
        self._counted_at: dict[str, float] = {}

    def count(self, session: sa.Connection, models: Collection[str], now: float) -> None:
        """Count the queues of those models whose last count is too old, the oldest first, and store it."""
        self._counted_at = {model: self._counted_at.get(model, -COUNT_EVERY_S) for model in models}
        late = [model for model, at in self._counted_at.items() if now >= at + COUNT_EVERY_S]
        part = sorted(late, key=self._counted_at.__getitem__)[: -(-len(models) // PARTS)]
        if not part:
            return
        counts = broker_queues.all_dead_counts(self._publisher.connection, part)
        self._counted_at |= dict.fromkeys(part, now)
        queue_sizes.keep(
            session, {model: None if its is None else its.ready for model, its in counts.items()}
        )
