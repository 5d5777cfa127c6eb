"""Reports what the pool could not load: rows for the admin's pages, and a metric."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.db import Error as DjangoDatabaseError
from django.db import connection

from jobs import metrics
from models_registry.loaders.devices.own_device import own_device
from models_registry.services import forget_load_failures, note_load_failure

logger = logging.getLogger(__name__)


class LoadReports:
    """The reports of one worker, by its Celery node name; a database that fails costs a report only."""

    def __init__(self, node: str) -> None:
        self._node = node

    def started(self) -> None:
        """Forget what the worker's last incarnation could not load."""
        self._write(lambda: forget_load_failures(node=self._node))

    def failed(self, version: int, error: Exception) -> None:
        """Report that a version could not be loaded; where the device is lost, that is no version's fault."""
        if own_device().lost():
            return
        logger.error("version %d cannot be loaded, and its jobs are left to others: %s", version, error)
        metrics.LOAD_FAILED.labels(str(version)).set(1)
        self._write(lambda: note_load_failure(node=self._node, version=version, reason=str(error)))

    def loaded(self, version: int) -> None:
        """Report that a version, which could not be loaded before, was."""
        metrics.LOAD_FAILED.labels(str(version)).set(0)
        self._write(lambda: forget_load_failures(node=self._node, version=version))

    def _write(self, write: Callable[[], None]) -> None:
        try:
            write()
        except DjangoDatabaseError as error:
            logger.warning("a report on a load was not stored: %s", type(error).__name__)
        finally:
            if not connection.in_atomic_block:
                connection.close()  # Django closes no connection of a thread of ours
