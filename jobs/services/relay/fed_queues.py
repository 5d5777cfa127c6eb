"""All queues of jobs: each model has one, and a second one where it has a slow lane."""

from __future__ import annotations

from jobs.core.queue_names import slow_queue
from models_registry.selectors import known_queues, slow_models


def fed_queues() -> list[str]:
    """Return the names of all queues, in order."""
    return sorted([*known_queues(), *map(slow_queue, slow_models())])
