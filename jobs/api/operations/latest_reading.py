"""The newest reading of this process: made once a second while somebody asks, however many do."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import Condition, Thread
from typing import Any, NamedTuple

import psycopg

from jobs.api.operations.reading_of_rows import reading_of
from jobs.core.operations.operations_reading import Reading
from jobs.db.connections import connect
from jobs.db.session_settings import Use
from jobs.services.operations.reading_rows import OperationsReads

log = logging.getLogger(__name__)
EVERY_S = 1.0
FRESH_S = 1.5  # an older reading is waited for
PATIENCE_S = 1.5  # the longest wait for a reading
UNWATCHED_S = 5.0  # after so long without a page the thread and its connection end
Connection = psycopg.Connection[Any]


class Made(NamedTuple):
    """A reading, and the monotonic second when it was made."""

    reading: Reading
    at_s: float


class LatestReading:
    """Reads on a thread and a connection of its own, for as long as it is asked; safe on threads."""

    def __init__(
        self,
        opened: Callable[[], Connection] = lambda: connect("operations", Use.PAGE, direct=True),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare to read on what `opened` returns; `clock` returns monotonic seconds."""
        self._opened, self._clock = opened, clock
        self._news = Condition()
        self._thread: Thread | None = None
        self._made: Made | None = None
        self._asked_s = 0.0

    def peek(self) -> Made | None:
        """Return the newest reading, however old; it is asked for, and so renewed."""
        with self._news:
            self._ask()
            return self._made

    def get(self) -> Made | None:
        """Wait a moment for a fresh reading; return the newest, None where none was ever made."""
        with self._news:
            self._ask()
            self._news.wait_for(self._is_fresh, PATIENCE_S)
            return self._made

    def age_of(self, made: Made) -> float:
        """Return how many seconds ago a reading was made."""
        return max(self._clock() - made.at_s, 0.0)

    def forget(self) -> None:
        """End the thread, if one reads, and drop what it read."""
        with self._news:
            thread, self._asked_s = self._thread, float("-inf")
        if thread is not None:
            thread.join()
        self._made = None

    def _is_fresh(self) -> bool:
        return self._made is not None and self.age_of(self._made) <= FRESH_S

    def _ask(self) -> None:
        self._asked_s = self._clock()
        if self._thread is None:
            thread = Thread(target=self._run, name="operations-reader", daemon=True)
            thread.start()  # RuntimeError where the process may have no more
            self._thread = thread

    def _run(self) -> None:
        session: Connection | None = None
        reads = OperationsReads(self._clock)
        while not self._over():
            began_s = self._clock()
            try:
                session = session or self._opened()
                reading = reading_of(reads.read(session))
                with self._news:
                    self._made = Made(reading, began_s)
                    self._news.notify_all()
            except psycopg.Error as error:
                log.debug("the live page cannot be read: %s", error)  # the page itself says so
                session = _closed(session)
            except Exception:
                log.exception("the live page cannot be read")  # the next reading may be well
                session = _closed(session)
            time.sleep(max(began_s + EVERY_S - self._clock(), 0.05))
        _closed(session)

    def _over(self) -> bool:
        with self._news:
            if self._clock() - self._asked_s < UNWATCHED_S:
                return False
            self._thread = None
            return True


def _closed(session: Connection | None) -> Connection | None:
    """Close a connection; return None, which stands for it from now on."""
    if session is not None:
        session.close()
    return None


latest = LatestReading()
