"""The one base of background loops on Postgres: session, office, LISTEN, wait, stop, back off."""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from select import POLLIN, poll
from threading import Event
from typing import ClassVar
from uuid import UUID

import psycopg
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from jobs.db import leases
from jobs.db.channel_names import listen
from jobs.db.leases import HeldLeases, LeaseLostError
from jobs.db.session import driver, open_session

log = logging.getLogger(__name__)

OFFICE_S = 1.0  # how often a process asks for an office that another one holds
IDLE_S = 0.5
LOOK_EVERY_S = 1.0


class ListenLoop(ABC):
    """Takes steps until `stop` is set, on a session of its own; an error ends one step, never the loop.

    With an `office`, a lease, only the process that holds it takes steps; what they change, they change
    `leases.fenced`. A notification on one of `channels` ends the pause between two steps early. It is a hint:
    a step also looks by itself.
    """

    office: ClassVar[str | None] = None
    alone: ClassVar[bool] = True  # whether one process at a time holds the office; else all take part in it
    channels: ClassVar[tuple[str, ...]] = ()
    gap_s: ClassVar[float] = 0.0  # notifications that come so close together are handled in one step
    first_backoff_s: ClassVar[float] = 1.0
    longest_backoff_s: ClassVar[float] = 1.0

    def __init__(self, *, stop: Event, clock: Callable[[], float] = time.monotonic) -> None:
        """Prepare to run until `stop`; `clock` returns monotonic seconds."""
        self._stop, self._clock = stop, clock
        self._backoff_s, self._look_at = self.first_backoff_s, 0.0
        self._holder: HeldLeases | None = None

    @abstractmethod
    def step(self, session: sa.Connection, payloads: Sequence[str]) -> None:
        """Do what is due now; `payloads` are those of the notifications that ended the pause."""

    @property
    def pause_s(self) -> float:
        """Return the seconds until the next step is due without a notification; 0 where work is left."""
        return IDLE_S

    def interruptions(self) -> tuple[type[Exception], ...]:
        """Return the errors after which the loop goes on with a new session."""
        return (DBAPIError, psycopg.Error, LeaseLostError)

    def time_to_look(self) -> bool:
        """Return whether a look without a notification is due, at most once each LOOK_EVERY_S."""
        if self._clock() < self._look_at:
            return False
        self._look_at = self._clock() + LOOK_EVERY_S
        return True

    def prepare(self) -> None:  # noqa: B027  # a hook, as the next three
        """Get ready before the office is asked for: a holder that cannot work keeps others from it."""

    def opened(self, session: sa.Connection) -> None:  # noqa: B027
        """Prepare a session that was just opened and holds the office."""

    def interrupted(self, error: Exception) -> None:  # noqa: B027
        """Note that `error` ended a step."""

    def closed(self) -> None:  # noqa: B027
        """Forget what belonged to a session that ended, whether by an error or by the stop."""

    def run(self) -> None:
        """Take steps until stopped."""
        while not self._stop.is_set():
            try:
                with open_session() as session:
                    self._serve(session)
            except self.interruptions() as error:
                self.interrupted(error)
                log.warning(
                    "%s goes on in %.1f s: %s", type(self).__name__, self._backoff_s, first_line(error)
                )
                self._stop.wait(self._backoff_s)
                self._backoff_s = min(self.longest_backoff_s, 2 * self._backoff_s)
            finally:
                self.closed()

    def _serve(self, session: sa.Connection) -> None:
        self.prepare()
        if not self._holds_office(session):
            return
        for channel in self.channels:
            listen(session, channel)
        self._look_at = 0.0
        self.opened(session)
        payloads: Sequence[str] = ()
        while not self._stop.is_set():
            leases.keep(session)
            self.step(session, payloads)
            self._backoff_s = self.first_backoff_s
            if payloads and self.pause_s > 0:
                self._stop.wait(self.gap_s)
            payloads = self.wait(session)
        if self._holder is not None:
            self._holder.resign()

    def _holds_office(self, session: sa.Connection) -> bool:
        """Wait for the office; False where the loop is stopped before."""
        self._holder = None
        while self.office is not None:
            if not self.alone or not leases.held_by_another(session, self.office):
                holder = HeldLeases(session, self.office)
                if not self.alone or holder.take(self.office):
                    self._holder = holder
                    break
                holder.resign()
            if self._stop.wait(OFFICE_S):
                return False
        return True

    def wait(self, session: sa.Connection) -> Sequence[str]:
        """Wait for the next step and return the payloads of the notifications that came."""
        if not self.channels:
            self._stop.wait(self.pause_s)
            return ()
        return heard(session, self.pause_s)


def heard(session: sa.Connection, timeout_s: float) -> list[str]:
    """Wait for the next notification and return the payloads of all that came; none after `timeout_s`."""
    connection = driver(session)
    payloads = [notice.payload for notice in connection.notifies(timeout=0)]
    if not payloads and timeout_s > 0:
        # psycopg's own wait wakes ten times a second, and `select` takes no file number above 1,023.
        waiting = poll()
        waiting.register(connection, POLLIN)
        if waiting.poll(timeout_s * 1_000):
            payloads = [notice.payload for notice in connection.notifies(timeout=0)]
    return payloads


def first_line(error: Exception) -> str:
    """Return an error's first line, or its class's name where it says nothing."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def ids(payloads: Iterable[str], kind: str) -> set[UUID]:
    """Return the ids of one kind, `job` or `batch`, that payloads name; others are ignored."""
    named = set[UUID]()
    for payload in payloads:
        name, _, text = payload.partition(":")
        if name == kind:
            with suppress(ValueError):  # any database user may notify
                named.add(UUID(text))
    return named
