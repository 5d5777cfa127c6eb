"""Watches for a transaction that stays open: it keeps dead rows, of which every queue in Postgres suffers."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import sqlalchemy as sa

from jobs import metrics
from jobs.db.statement import run
from jobs.services.reads.horizon import HOLDER, OLD_S, HorizonHolder

log = logging.getLogger(__name__)

LOOK_EVERY_S = 5.0
WARN_EVERY_S = 60.0
MOST_NAMES = 20  # any client of the database chooses its application's name; each is a label
OTHER = "other"


class HorizonWatch:
    """Sets the metrics of the oldest transaction, and logs a warning where it is old."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Prepare to look; `clock` returns monotonic seconds."""
        self._clock = clock
        self._look_at = self._warn_at = 0.0
        self._names = set[str]()
        self._pid = 0

    def look(self, session: sa.Connection) -> None:
        """Look at the oldest transaction, if it is time to."""
        now = self._clock()
        if now < self._look_at:
            return
        self._look_at = now + LOOK_EVERY_S
        holder = next(iter(run(session, HOLDER)), None)
        self._measure(holder)
        if holder is not None and holder.age_s >= OLD_S:
            self._warn(holder, now)

    def _measure(self, holder: HorizonHolder | None) -> None:
        metrics.HORIZON_PID.set(holder.pid if holder else 0)
        name = self._label(holder.application) if holder else ""
        for other in self._names - {name}:
            metrics.HORIZON_AGE.labels(other).set(0)
        if holder:
            metrics.HORIZON_AGE.labels(name).set(holder.age_s)

    def _label(self, application: str) -> str:
        name = application if application in self._names or len(self._names) < MOST_NAMES else OTHER
        self._names.add(name)
        return name

    def _warn(self, holder: HorizonHolder, now: float) -> None:
        if holder.pid == self._pid and now < self._warn_at:
            return
        self._pid, self._warn_at = holder.pid, now + WARN_EVERY_S
        log.warning("%s: dead rows cannot be removed meanwhile", holder)
