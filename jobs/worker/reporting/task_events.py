"""Task events for Flower, made for many jobs at once and published in one message.

Celery's own `send` takes a lock, the logical clock and the offset of the time zone for each event, and a job
has three of them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from typing import Any

from celery.utils.time import utcoffset

logger = logging.getLogger(__name__)
LIMIT = 500
FLUSH_S = 0.1
MANY = "task-multi"  # a message with a list of events, as Celery's own buffer makes it


class TaskEvents:
    """The events of one connection, on the thread of its hub."""

    def __init__(self, dispatcher: Any, hub: Any) -> None:
        """Publish by Celery's dispatcher; `hub` calls for it, a while after the first event."""
        self._dispatcher, self._hub = dispatcher, hub
        self._waiting = list[dict[str, Any]]()
        self._called = False

    def send(self, kind: str, fields: Iterable[Mapping[str, Any]]) -> None:
        """Send an event of a kind for each of `fields`, which are what a job's event has of its own."""
        sender = self._dispatcher
        if not sender.enabled:
            return
        common = {
            "type": kind, "hostname": sender.hostname, "utcoffset": utcoffset(), "pid": sender.pid,
            "clock": sender.clock.forward(), "timestamp": time.time(),
        }  # fmt: skip
        self._waiting += [{**common, **own} for own in fields]
        if len(self._waiting) >= LIMIT:
            self._publish()
        elif self._waiting and not self._called:
            self._called = True
            self._hub.call_later(FLUSH_S, self._flush)

    def _flush(self) -> None:
        self._called = False
        self._publish()

    def _publish(self) -> None:
        events, self._waiting = self._waiting, []
        try:
            self._dispatcher.publish(
                MANY, {}, self._dispatcher.producer, blind=True, Event=lambda *_, **__: events
            )
        except Exception:
            logger.exception("task events were not sent; monitors miss some")
