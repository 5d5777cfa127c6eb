"""The one base of background loops on Postgres: session, office, LISTEN, wait, stop, back off."""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from threading import Event
from typing import ClassVar

import psycopg
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from jobs.db import advisory_locks
from jobs.db.session import driver, open_session

log = logging.getLogger(__name__)

OFFICE_S = 1.0  # how often a process asks for an office that another one holds


class Loop(ABC):
    """Takes steps until `stop` is set, on a session of its own; an error ends one step, never the loop.

    With an `office`, an advisory lock, only the process that holds it takes steps. A notification on one of
    `channels` ends the pause between two steps early. It is a hint: a step also looks by itself.
    """

    office: ClassVar[int | None] = None
    channels: ClassVar[tuple[str, ...]] = ()
    first_backoff_s: ClassVar[float] = 1.0
    longest_backoff_s: ClassVar[float] = 1.0

    def __init__(self, *, stop: Event, clock: Callable[[], float] = time.monotonic) -> None:
        """Prepare to run until `stop`; `clock` returns monotonic seconds."""
        self._stop, self._clock = stop, clock
        self._backoff_s = self.first_backoff_s

    @abstractmethod
    def step(self, session: sa.Connection, payloads: Sequence[str]) -> None:
        """Do what is due now; `payloads` are those of the notifications that ended the pause."""

    @property
    @abstractmethod
    def pause_s(self) -> float:
        """Return the seconds until the next step is due without a notification."""

    def interruptions(self) -> tuple[type[Exception], ...]:
        """Return the errors after which the loop goes on with a new session."""
        return (DBAPIError, psycopg.Error)

    def opened(self, session: sa.Connection) -> None:
        """Prepare a session that was just opened and holds the office."""

    def closed(self) -> None:
        """Forget what belonged to a session that ended, whether by an error or by the stop."""

    def run(self) -> None:
        """Take steps until stopped."""
        while not self._stop.is_set():
            try:
                with open_session() as session:
                    self._serve(session)
            except self.interruptions() as error:
                log.warning("%s goes on in %.1f s: %s", type(self).__name__, self._backoff_s, first_line(error))
                self._stop.wait(self._backoff_s)
                self._backoff_s = min(self.longest_backoff_s, 2 * self._backoff_s)
            finally:
                self.closed()

    def _serve(self, session: sa.Connection) -> None:
        if not self._holds_office(session):
            return
        for channel in self.channels:
            session.exec_driver_sql(f"LISTEN {channel}")
        self.opened(session)
        payloads: Sequence[str] = ()
        while not self._stop.is_set():
            self.step(session, payloads)
            self._backoff_s = self.first_backoff_s
            payloads = self._wait(session)

    def _holds_office(self, session: sa.Connection) -> bool:
        """Wait for the office; False where the loop is stopped before."""
        while self.office is not None and not advisory_locks.try_lock(session, self.office):
            if self._stop.wait(OFFICE_S):
                return False
        return True

    def _wait(self, session: sa.Connection) -> Sequence[str]:
        """Wait for the next step and return the payloads of the notifications that came."""
        if not self.channels:
            self._stop.wait(self.pause_s)
            return ()
        return [notice.payload for notice in driver(session).notifies(timeout=self.pause_s, stop_after=1)]


def first_line(error: Exception) -> str:
    """Return an error's first line, or its class's name where it says nothing."""
    return next(iter(str(error).splitlines()), type(error).__name__)
