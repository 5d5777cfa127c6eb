"""Events for monitors: what cannot be sent at once is kept, a little of it, and then dropped.

Celery sends its heartbeat from the loop that receives messages, and there tries for ever to connect again. A
worker that woke after a pause was seen to make a hundred connections a second in it, and to receive nothing
until it was ended. The loop itself sees that the connection is gone, and connects again.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from celery.app.events import Events
from celery.events.dispatcher import EventDispatcher

MOST_KEPT = 100  # messages


class DroppingDispatcher(EventDispatcher):
    """Celery's dispatcher, but it makes one try only."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take what Celery's takes."""
        super().__init__(*args, **kwargs)
        self._outbound_buffer: deque[Any] = deque(maxlen=MOST_KEPT)

    def send(self, *args: Any, **kwargs: Any) -> Any:
        """Send an event, or keep it for the next connection."""
        return super().send(*args, **{**kwargs, "retry": False})


class DroppedEvents(Events):
    """Celery's `app.events` with such dispatchers."""

    dispatcher_cls = f"{__name__}:DroppingDispatcher"
