"""The database's time, as this process knows it: a host's clock may be wrong, and may jump.

What is deleted, expires or is named by time goes by the database's clock. A process measures it now and then
and counts on with the clock that only goes forward, so it needs no statement to know the time.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

import sqlalchemy as sa

from jobs import metrics
from jobs.core.errors import UnavailableError
from jobs.db.statement import Statement, fetch_all, run

log = logging.getLogger(__name__)

JUMP_S = 2.0  # a change of the difference that is said
STALE_S = 30.0
_NOW_S = Statement("SELECT extract(epoch FROM clock_timestamp())::float8", float)


class DatabaseClock:
    """Counts on from the last measurement; before the first, it shows the host's time."""

    def __init__(
        self, *, monotonic: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time
    ) -> None:
        """Begin without a measurement; the clocks return seconds, `wall` those since 1970."""
        self._monotonic, self._wall = monotonic, wall
        self._at: tuple[float, float, float] | None = None  # monotonic, wall, the database's
        self._skew_s = 0.0

    def measured(self, database_s: float) -> None:
        """Note the database's time of this moment; a new difference from the host's clock is logged."""
        self._at = self._monotonic(), self._wall(), database_s
        skew_s = self._at[1] - database_s
        metrics.HOST_CLOCK_AHEAD.set(skew_s)
        if abs(skew_s - self._skew_s) > JUMP_S:
            log.warning(
                "the host's clock is %.1f s ahead of the database's, and was %.1f s ahead before",
                skew_s,
                self._skew_s,
            )
            self._skew_s = skew_s

    @property
    def stale(self) -> bool:
        """Return whether a measurement is due: the last is old, or the host's clock jumped or slept since."""
        if self._at is None:
            return True
        passed_s = self._monotonic() - self._at[0]
        return passed_s > STALE_S or abs(self._wall() - self._at[1] - passed_s) > JUMP_S

    def now_s(self) -> float:
        """Return the database's time in seconds since 1970."""
        if self._at is None:
            return self._wall()
        return self._at[2] + self._monotonic() - self._at[0]


_clock = DatabaseClock()


def measure(session: sa.Connection) -> float:
    """Read the database's time over a bulk process's session and return it in seconds since 1970."""
    (seconds,) = run(session, _NOW_S)
    _clock.measured(seconds)
    return seconds


def read_now() -> datetime:
    """Read the database's time on this thread's connection and return it; UnavailableError."""
    (seconds,) = fetch_all(_NOW_S)
    _clock.measured(seconds)
    return datetime.fromtimestamp(seconds, UTC)


def is_stale() -> bool:
    """Return whether the last measurement is too old."""
    return _clock.stale


def refresh() -> None:
    """Read the database's time, if the last measurement is too old and the database answers."""
    if is_stale():
        with suppress(UnavailableError):
            read_now()


def now_s() -> float:
    """Return the database's time in seconds since 1970, without asking it."""
    return _clock.now_s()


def now_ms() -> int:
    """Return the database's time in milliseconds since 1970, without asking it."""
    return int(now_s() * 1_000)


def now() -> datetime:
    """Return the database's time, without asking it."""
    return datetime.fromtimestamp(now_s(), UTC)
