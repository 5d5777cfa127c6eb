"""Wake an idle relay: one coalesced NOTIFY from a thread of its own, outside every submit's transaction."""

from __future__ import annotations

import logging
import os
from functools import cache
from threading import Event, Lock, Thread
from time import sleep

import psycopg

from jobs.core.channels import SUBMITTED
from jobs.db import connections
from jobs.db.session_settings import Use

GAP_S = 0.01
RETRY_S = 1.0
_NOTIFY = "SELECT pg_notify(jobs_channel(%(channel)s), '')"
log = logging.getLogger(__name__)


def wake_relay() -> None:
    """Ask for a NOTIFY; returns at once and never fails, because the relay also polls."""
    _bell(os.getpid()).ring()


class _Bell:
    """Rings at most once each GAP_S, for any number of calls; its thread starts with the first ring."""

    def __init__(self) -> None:
        self._rung, self._lock = Event(), Lock()
        self._thread: Thread | None = None

    def ring(self) -> None:
        if self._rung.is_set():
            return
        if self._thread is None:
            self._start()
        self._rung.set()

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
                name = {"channel": SUBMITTED}
                connection.execute(_NOTIFY, name, prepare=connections.prepares() or None)
                sleep(GAP_S)


@cache
def _bell(_pid: int) -> _Bell:
    return _Bell()
