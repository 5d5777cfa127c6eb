"""Reports on the pool's loads: rows for the admin's pages and for moves of aliases, and a metric."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from threading import Lock
from time import monotonic
from typing import TypeVar

from django.db import Error as DjangoDatabaseError
from django.db import connection

from jobs import metrics
from jobs.services.circuits.outages import note_load
from jobs.services.reads.version_labels import version_label
from models_registry.loaders.devices.own_device import own_device
from models_registry.services import (
    begin_loads,
    forget_load,
    note_load_failure,
    note_loading,
    note_ready,
)

logger = logging.getLogger(__name__)
Answer = TypeVar("Answer")


class LoadReports:
    """The reports of one worker, by its Celery node name; a database that fails only delays them."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._unsent: dict[int, Callable[[], object]] = {}  # by version
        self._late = set[int]()
        self._cold_since: dict[int, float] = {}  # by version, until it is loaded: failures and rests too
        self._lock = Lock()

    def started(self) -> dict[int, tuple[float, str]]:
        """Forget what the worker's last incarnation held; return what it must leave alone, and why."""
        return self._try(partial(begin_loads, node=self._node)) or {}

    def loading(self, version: int) -> None:
        """Report that the load of a version begins."""
        self._cold_since.setdefault(version, monotonic())
        self._write(version, partial(note_loading, node=self._node, version=version))

    def failed(self, version: int, error: Exception, *, late: bool = False) -> None:
        """Report that a version could not be loaded; where the device is lost, that is no version's fault."""
        if own_device().lost():
            return
        logger.error("version %d cannot be loaded, and its jobs are left to others: %s", version, error)
        self._show(version, failed=True)
        failure = partial(note_load_failure, node=self._node, version=version, reason=str(error))
        cold = self._cold(version)
        self._cold_since[version] = monotonic()
        self._write(version, lambda: (failure(late=late), cold()))
        if late:
            self._late.add(version)

    def loaded(self, version: int, *, memory_bytes: int, load_s: float) -> None:
        """Report that a version was loaded, but not late: the next process must not try it at once."""
        metrics.POOL_BYTES.labels(version_label(version)).set(memory_bytes)
        metrics.LOAD_TIME.observe(load_s)
        if version in self._late:
            return
        self._show(version, failed=False)
        ready = partial(note_ready, node=self._node, version=version)
        cold = self._cold(version, load_s)
        self._cold_since.pop(version, None)
        self._write(version, lambda: (ready(memory_bytes=memory_bytes, load_s=load_s), cold()))

    def dropped(self, version: int) -> None:
        """Report that a version has left memory."""
        label = version_label(version)
        metrics.POOL_EVICTIONS.labels(label).inc()
        metrics.POOL_BYTES.labels(label).set(0)
        self._write(version, partial(forget_load, node=self._node, version=version))

    def again(self) -> None:
        """Report again what was not stored: a move of an alias may wait for it."""
        if self._unsent:
            with self._lock:
                for version, write in list(self._unsent.items()):
                    self._send(version, write)

    def _cold(self, version: int, load_s: float = 0.0) -> Callable[[], None]:
        """Return what records that the version was not there until now, since its load was first tried."""
        now = monotonic()
        cold_s = max(now - self._cold_since.get(version, now), load_s)
        return partial(note_load, node=self._node, version=version, load_s=cold_s)

    def _show(self, version: int, *, failed: bool) -> None:
        label = version_label(version)
        metrics.POOL_LOADS.labels(label, "failed" if failed else "loaded").inc()
        metrics.LOAD_FAILED.labels(label).set(failed)

    def _write(self, version: int, write: Callable[[], object]) -> None:
        with self._lock:  # an older report that is sent again must not follow a newer one
            self._send(version, write)

    def _send(self, version: int, write: Callable[[], object]) -> None:
        self._unsent[version] = write
        self._try(lambda: (write(), self._unsent.pop(version)))

    def _try(self, write: Callable[[], Answer]) -> Answer | None:
        try:
            return write()
        except DjangoDatabaseError as error:
            logger.warning("a report on a load was not stored: %s", type(error).__name__)
            return None
        finally:
            if not connection.in_atomic_block:
                connection.close()  # Django closes no connection of a thread of ours
