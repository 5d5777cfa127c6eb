"""The dead letters of each model: rows in Postgres, and beside them the messages that the relay counted."""

from __future__ import annotations

from dataclasses import dataclass

from jobs.services.dead_letters.queue_sizes import QueueSize, sizes
from jobs.services.dead_letters.reads import due_by_queue, rows_by_queue
from models_registry.selectors import known_queues

OLD_S = 60.0


@dataclass(frozen=True, slots=True)
class DeadLetterQueueCounts:
    """One model's dead letters: rows, rows that the broker has not confirmed, and the broker's messages.

    `age_s` is the age of the count of messages; None where nothing has been counted yet. `messages` is None
    then too, and where the broker has no such queue.
    """

    model: str
    rows: int
    due: int
    messages: int | None = None
    age_s: float | None = None

    @property
    def doubt(self) -> str:
        """Return why `messages` may not be true now; empty where it may be trusted."""
        if self.age_s is None:
            return "not counted yet: no relay has looked"
        if self.age_s > OLD_S:
            return "an old count: no relay runs, or the broker does not answer it"
        return "the broker has no such queue" if self.messages is None else ""


def queue_counts() -> list[DeadLetterQueueCounts]:
    """Return the counts of every model that is registered or has dead letters, by name."""
    rows, due, counted = rows_by_queue(), due_by_queue(), sizes()
    return [
        _counts(model, rows.get(model, 0), due.get(model, 0), counted.get(model))
        for model in sorted({*known_queues(), *rows, *due})
    ]


def _counts(model: str, rows: int, due: int, size: QueueSize | None) -> DeadLetterQueueCounts:
    if size is None:
        return DeadLetterQueueCounts(model, rows, due)
    return DeadLetterQueueCounts(model, rows, due, messages=size.messages, age_s=size.age_s)
