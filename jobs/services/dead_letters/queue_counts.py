"""How the dead-letter queues stand: rows in Postgres beside what the broker holds, where it can be asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from threading import Lock
from time import monotonic

from django.conf import settings

from jobs.broker import broker_queues
from jobs.broker.connection import connected
from jobs.core.errors import BrokerUnavailableError
from jobs.services.dead_letters.reads import counts_by_queue
from models_registry.selectors import known_queues

PATIENCE_S = 1.0
IN_ALL_S = 3.0
KEPT_S = 2.0


@dataclass(frozen=True, slots=True)
class DeadLetterQueueCounts:
    """One model's dead letters: rows, those of them not confirmed yet, and the broker's messages.

    `messages` is None where the broker does not say, or has no such queue.
    """

    model: str
    rows: int
    due: int
    messages: int | None


_asking = Lock()
_kept: dict[str, tuple[float, Mapping[str, int]]] = {}


def standings() -> list[DeadLetterQueueCounts]:
    """Return every model's standing, within seconds whatever the broker does."""
    rows = counts_by_queue()
    models = sorted({*known_queues(), *rows})
    messages = broker_counts(models)
    return [DeadLetterQueueCounts(model, *rows.get(model, (0, 0)), messages.get(model)) for model in models]


def broker_counts(models: Iterable[str]) -> Mapping[str, int]:
    """Return how many messages the broker has for each of `models`, but for those it does not tell.

    One thread of a process asks at a time; what it heard is kept a while, and is what the others say
    meanwhile: a broker that does not answer holds up one page for seconds, and the others not at all.
    """
    url = settings.INFERENCE.broker_url
    at, counts = _kept.get(url, (-KEPT_S, {}))
    if monotonic() - at < KEPT_S or not _asking.acquire(blocking=False):
        return counts
    try:
        counts = _ask(url, models)
        _kept[url] = (monotonic(), counts)
    finally:
        _asking.release()
    return counts


def _ask(url: str, models: Iterable[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    until = monotonic() + IN_ALL_S
    try:
        with connected(url, timeout_s=PATIENCE_S) as connection:
            for model in models:
                told = broker_queues.dead_counts(connection, model) if monotonic() < until else None
                counts |= {} if told is None else {model: told.ready}
    except BrokerUnavailableError:
        pass
    return counts
