"""The events that Flower shows, read with the rights of the broker's user `monitor` and no more."""

from __future__ import annotations

import logging
import time
from typing import Any

from celery.events import EventReceiver
from flower.events import Events

logger = logging.getLogger(__name__)
AGAIN_S = 2.0
# Parts of an event that may hold what a user sent or a model made; a forged one may hold anything.
CONTENTS = frozenset({"args", "kwargs", "result", "traceback"})


class BoundReceiver(EventReceiver):
    """Celery's receiver, which finds the events' exchange made: a user who may make it may delete it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Prepare to bind a queue of its own."""
        super().__init__(*args, **kwargs)
        self.exchange.no_declare = self.queue.exchange.no_declare = True


class EventThread(Events):
    """Flower's thread of events; it wakes no worker, because that is an order, and drops contents."""

    def run(self) -> None:
        """Read events for ever, again some seconds after each error."""
        while True:
            try:
                with self.capp.connection() as connection:
                    receiver = BoundReceiver(connection, handlers={"*": self.on_event}, app=self.capp)
                    receiver.capture(limit=None, timeout=None, wakeup=False)
            except Exception as error:  # noqa: BLE001  # whatever ends a connection, the next one may live
                logger.warning("events are read again in %.0f s: %s", AGAIN_S, error)
                time.sleep(AGAIN_S)

    def on_event(self, event: dict[str, Any]) -> None:
        """Hand on an event without its contents; one that is none is dropped."""
        if isinstance(event.get("type"), str) and isinstance(event.get("hostname"), str):
            super().on_event({name: value for name, value in event.items() if name not in CONTENTS})
