"""The setup that both rivals share: the same broker and Postgres, and Celery's settings for many short tasks.

Runs in the rivals' own environments as well, so it imports Celery and the standard library alone.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from celery import Celery

from models_registry.loaders.builtin import BASE_S, PER_ITEM_S, Sleeper

sleeper = Sleeper(BASE_S, PER_ITEM_S)


def tuned(name: str, *, prefetch: int) -> Celery:
    """Return an app with a queue of its own, called `name`."""
    app = Celery(name, broker=os.environ["RIVAL_BROKER"], backend=os.environ["RIVAL_RESULTS"])
    app.conf.update(
        task_default_queue=name,
        worker_prefetch_multiplier=prefetch,
        broker_connection_retry_on_startup=True,
    )
    return app


def post(task: Any) -> None:
    """Publish as many tasks as the command line says, an empty object each."""
    for _ in range(int(sys.argv[1])):
        task.delay({})
