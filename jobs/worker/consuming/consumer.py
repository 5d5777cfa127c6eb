"""The consumer of jobs: its connection is read in bursts, and a lost one does not hold it up."""

from __future__ import annotations

from typing import Any

from celery.utils.threads import bound_open_broker_sockets

import jobs.worker.consuming.control  # noqa: F401  # makes its commands known to Celery
from jobs.core.messages.envelope import TASK_NAME
from jobs.worker.consuming.patches import read_in_bursts
from jobs.worker.consuming.read_ahead import ReadAhead
from jobs.worker.consuming.undelayed import UndelayedConsumer

FAREWELL_S = 1.0


class JobConsumer(UndelayedConsumer):
    """The consumer of jobs, which takes messages of jobs and of no other task."""

    _ahead: ReadAhead | None = None

    def takes(self, task: str) -> bool:
        """Return whether messages of the task are executed here: those that stand for jobs."""
        return task == TASK_NAME

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
