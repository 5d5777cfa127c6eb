"""Work that follows the ends of jobs: woken by what settles tell, and looking by itself: that is a hint."""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from contextlib import suppress
from threading import Event
from typing import ClassVar
from uuid import UUID

import psycopg
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from jobs.core.channels import SETTLED
from jobs.db import advisory_locks
from jobs.db.session import driver, open_session

log = logging.getLogger(__name__)

IDLE_S = 0.25
GAP_S = 0.02  # a busy worker settles a hundred batches a second: they are asked about together
AGAIN_S = 1.0
LOOK_EVERY_S = 1.0


class ListenLoop(ABC):
    """Works until `stop` is set; of several only one, the holder of an advisory lock."""

    lock: ClassVar[int]

    def __init__(self, *, stop: Event, clock: Callable[[], float] = time.monotonic) -> None:
        """Prepare to work; `clock` is monotonic seconds."""
        self._stop = stop
        self._clock = clock
        self._look_at = 0.0

    def run(self) -> None:
        """Work until stopped; an error breaks one step off, never the watcher."""
        while not self._stop.is_set():
            try:
                with open_session() as session:
                    self._serve(session)
            except self.interruptions() as error:
                said = (str(error).splitlines() or [type(error).__name__])[0]
                log.warning("%s waits %.0f s: %s", type(self).__name__, AGAIN_S, said)
                self._stop.wait(AGAIN_S)

    def interruptions(self) -> tuple[type[Exception], ...]:
        """Return the errors after which it goes on a little later."""
        return (DBAPIError, psycopg.Error)

    @abstractmethod
    def step(self, session: sa.Connection, payloads: Iterable[str]) -> None:
        """Do what the jobs that were told of ask for, and now and then what all others do."""

    @property
    def busy(self) -> bool:
        """Say whether a step left something undone."""
        return False

    def time_to_look(self) -> bool:
        """Say whether it is time to look without having been told; then it is not for a while."""
        if self._clock() < self._look_at:
            return False
        self._look_at = self._clock() + LOOK_EVERY_S
        return True

    def _serve(self, session: sa.Connection) -> None:
        while not advisory_locks.try_lock(session, self.lock):
            if self._stop.wait(AGAIN_S):
                return
        session.exec_driver_sql(f"LISTEN {SETTLED}")
        self._look_at = 0.0
        while not self._stop.is_set():
            pause_s = 0 if self.busy else IDLE_S
            notices = list(driver(session).notifies(timeout=pause_s, stop_after=1))
            self.step(session, [notice.payload for notice in notices])
            if notices and not self.busy:
                self._stop.wait(GAP_S)


def ids(payloads: Iterable[str], kind: str) -> set[UUID]:
    """Return the ids of one kind, `job` or `batch`, that were told of."""
    found = set[UUID]()
    for said, _, text in (payload.partition(":") for payload in payloads):
        with suppress(ValueError):  # anybody with a connection may notify
            found |= {UUID(text)} if said == kind else set()
    return found
