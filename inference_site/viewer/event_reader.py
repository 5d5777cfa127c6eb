"""The events that Flower shows, read with the rights of the broker's user `monitor` and no more."""

from __future__ import annotations

import logging
import time
from collections import deque
from typing import Any

from celery.events import EventReceiver
from flower.events import Events

from inference_site.viewer.seen_events import SeenEvents

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
    """Flower's thread of events; it wakes no worker, because that is an order, and drops contents.

    What came in one burst is handed to the pages' loop together: to wake the loop for each event costs more.
    """

    def __init__(self, *args: Any, max_tasks_in_memory: int, **kwargs: Any) -> None:
        """Prepare with Flower's arguments."""
        super().__init__(*args, max_tasks_in_memory=max_tasks_in_memory, **kwargs)
        self.state = SeenEvents(
            max_tasks_in_memory=max_tasks_in_memory, max_workers_in_memory=kwargs["max_workers_in_memory"]
        )
        self._arrived = deque[dict[str, Any]]()

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
            self._arrived.append({name: value for name, value in event.items() if name not in CONTENTS})
            if len(self._arrived) == 1:  # else a call is to come that takes all of them
                self.io_loop.add_callback(self._note_arrived)

    def _note_arrived(self) -> None:
        """Note what has arrived so far; what arrives meanwhile waits behind the pages."""
        try:
            for _ in range(len(self._arrived)):
                self.state.event(self._arrived.popleft())
        finally:
            if self._arrived:
                self.io_loop.add_callback(self._note_arrived)
