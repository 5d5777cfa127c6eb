"""Models that a worker should serve and cannot load: left alone meanwhile, and tried again."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from django.db import connection

from jobs.worker.model_orders import ModelOrders
from jobs.worker.process import WorkerProcess
from models_registry import selectors

logger = logging.getLogger(__name__)
LOOK_S = 1.0


class ModelRetries:
    """Keeps a worker's queues to the models that it can run.

    A model of which no version is loaded is not consumed: such a worker would take each of its jobs from the
    workers that can run them. It is tried again at once when its alias moves, else by the pool's delay.
    """

    def __init__(self, process: WorkerProcess, orders: ModelOrders, missing: Iterable[str]) -> None:
        self._process, self._orders = process, orders
        self._missing = set(missing)

    def run(self, consumer: Any) -> None:
        """Look each second, until the process stops."""
        while not self._process.stopped.wait(LOOK_S):
            try:
                self.step(consumer)
            except Exception as error:  # noqa: BLE001  # a database or hub that fails now may not do so later
                logger.warning("models that cannot be loaded are looked at again: %s", error)
            finally:
                connection.close()  # Django closes no connection of a thread of ours

    def step(self, consumer: Any) -> None:
        """Stop consuming the models that lost their last version, and try the missing ones that are due."""
        self._missing -= self._orders.unwanted
        for model in self._process.pool.models_without_versions() & {*self._orders.models(consumer)}:
            self._orders.leave(model, consumer)
            self._missing.add(model)
        for model in sorted(self._missing):
            if self._due(model):
                self._orders.serve(model, consumer)
                self._missing.discard(model)

    def _due(self, model: str) -> bool:
        return not self._process.pool.retry_in_s(selectors.resolve(model).id)
