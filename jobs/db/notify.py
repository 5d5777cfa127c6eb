"""Wake an idle relay: one coalesced NOTIFY from a thread of its own, outside every submit's transaction."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection
from functools import cache
from threading import Event, Lock, Thread
from time import sleep

import psycopg

from jobs.core.channels import EVERY_QUEUE, SUBMITTED
from jobs.db import connections
from jobs.db.session_settings import Use

GAP_S = 0.004
RETRY_S = 1.0
MOST_QUEUES = 50  # in one signal; for more it names none, and the relay looks at all
_NOTIFY = "SELECT pg_notify(jobs_channel(%(channel)s), queue) FROM unnest(%(queues)s::text[]) AS queue"
log = logging.getLogger(__name__)


def wake_relay(*queues: str) -> None:
    """Ask for a NOTIFY that names these queues, or none: the relay looks at all of them.

    Returns at once and never fails, because the relay also looks by itself.
    """
    _bell(os.getpid()).ring(queues)


class _Bell:
    """Rings at most once each GAP_S, for any number of calls; its thread starts with the first ring."""

    def __init__(self) -> None:
        self._rung, self._lock = Event(), Lock()
        self._queues = set[str]()
        self._thread: Thread | None = None

    def ring(self, queues: Collection[str]) -> None:
        if self._thread is None:
            self._start()
        with self._lock:
            self._queues |= set(queues) or {EVERY_QUEUE}
        self._rung.set()

    def _taken(self) -> list[str]:
        """Return the queues to name now, and forget them."""
        with self._lock:
            queues, self._queues = self._queues, set()
        many = EVERY_QUEUE in queues or len(queues) > MOST_QUEUES
        return [EVERY_QUEUE] if many else sorted(queues)

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = Thread(target=self._serve, name="wake-relay", daemon=True)
                self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                self._notify_on_one_connection()
            except psycopg.Error as error:
                log.warning("the relay cannot be woken: %s", error)
                sleep(RETRY_S)

    def _notify_on_one_connection(self) -> None:
        with connections.connect("wake-relay", Use.READ) as connection:
            while True:
                self._rung.wait()
                self._rung.clear()
                connection.execute(_NOTIFY, {"channel": SUBMITTED, "queues": self._taken()})
                sleep(GAP_S)


@cache
def _bell(_pid: int) -> _Bell:
    return _Bell()
