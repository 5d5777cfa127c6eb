"""The names of queues: a model's, and that of its slow lane, as the outbox and the broker have them. Pure."""

from __future__ import annotations

from models_registry.core.refs import SLOW_ENDING

MOST_QUEUE_CHARS = 63 + len(SLOW_ENDING)


def slow_queue(model: str) -> str:
    """Return the queue of the model's slow lane; the model's own queue has its name."""
    return f"{model}{SLOW_ENDING}"


def is_slow(queue: str) -> bool:
    """Return whether a queue is that of a slow lane: no model's name ends so."""
    return queue.endswith(SLOW_ENDING)


def model_of_queue(queue: str) -> str:
    """Return the model whose jobs wait in a queue."""
    return queue.removesuffix(SLOW_ENDING)


def queues_of(model: str) -> list[str]:
    """Return both queues that jobs of the model may wait in."""
    return [model, slow_queue(model)]
