"""The consumer: no delivery, however malformed, ends the worker."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from celery.utils.threads import bound_open_broker_sockets
from kombu import Message

import jobs.worker.consuming.control  # noqa: F401  # makes its commands known to Celery
from jobs.worker.consuming.patches import read_in_bursts
from jobs.worker.consuming.read_ahead import ReadAhead
from jobs.worker.consuming.undelayed import UndelayedConsumer

logger = logging.getLogger(__name__)
FAREWELL_S = 1.0


class JobConsumer(UndelayedConsumer):
    """The consumer of jobs: every delivery that could hurt ends in its queue's dead-letter queue."""

    _ahead: ReadAhead | None = None

    def connect(self) -> Any:
        """Return a new connection, read in bursts."""
        connection = super().connect()
        if self.hub is not None:
            if self._ahead is not None:
                self.hub.on_tick.discard(self._ahead.tick)
            self._ahead = read_in_bursts(connection.connection, self.hub)
        return connection

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Drop what is lost; Celery alone would wait for ever to close the events' connection."""
        if self.event_dispatcher is not None:
            bound_open_broker_sockets(self.event_dispatcher.connection, FAREWELL_S)
        super().on_connection_error_after_connected(exc)

    def stop(self) -> None:
        """Stop consuming; a broker that does not answer delays that by `FAREWELL_S` for each call."""
        if self.connection is not None:
            bound_open_broker_sockets(self.connection, FAREWELL_S)
        super().stop()

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Message], None]:
        """Return Celery's handler, guarded."""
        handle = super().create_task_handler(*args, **kwargs)

        def guarded(message: Message) -> None:
            try:
                handle(message)
            except Exception as error:  # noqa: BLE001  # a forged message may raise anything, anywhere
                self.bury(message, error)

        return guarded

    def on_decode_error(self, message: Message, exc: Exception) -> None:
        """Dead-letter a message whose body cannot be decoded; Celery would acknowledge and lose it."""
        self.bury(message, exc)

    def on_unknown_task(self, body: Any, message: Message, exc: Exception) -> None:
        """Dead-letter a message of another task; Celery would mark the job of that id as failed."""
        self.bury(message, exc)

    def on_unknown_message(self, body: Any, message: Message) -> None:
        """Dead-letter a message that is not Celery's."""
        self.bury(message, ValueError("not a Celery task message"))

    def on_invalid_task(self, body: Any, message: Message, exc: Exception) -> None:
        """Dead-letter a message whose content a handler refused."""
        self.bury(message, exc)

    def bury(self, message: Message, error: Exception) -> None:
        """Reject the message into its queue's dead-letter queue, once."""
        logger.error("a message is dead-lettered: %s: %s", type(error).__name__, error)
        if not message.acknowledged:
            message.reject(requeue=False)
