"""Models that a worker should serve and cannot load: left alone meanwhile, and tried again."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import Any

from django.db import connection

from jobs.worker.model_orders import ModelOrders
from jobs.worker.process import WorkerProcess
from models_registry import selectors

logger = logging.getLogger(__name__)
LOOK_S = 1.0
LANES_S = 5.0  # a slow lane comes with a new version, which is rare


class ModelRetries:
    """Keeps a worker's queues to the models that it can run.

    A model of which no version is loaded is not consumed: such a worker would take each of its jobs from the
    workers that can run them. It is tried again at once when its alias moves, else by the pool's delay.
    The same holds for a model with a version that rests, because it fails on this worker alone.
    """

    def __init__(self, process: WorkerProcess, orders: ModelOrders, missing: Iterable[str]) -> None:
        self._process, self._orders = process, orders
        self._missing = set(missing)
        self._lanes_at = 0.0

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
        """Stop consuming the models that cannot run here now, and try the missing ones that are due.

        Slow lanes that the others have got since are consumed.
        """
        self._missing -= self._orders.unwanted
        resting = {selectors.info(version).model for version in self._process.circuits.resting()}
        unfit = self._process.pool.models_without_versions() | resting
        for model in unfit & {*self._orders.models(consumer)}:
            self._orders.leave(model, consumer)
            self._missing.add(model)
        for model in sorted(self._missing - resting):
            if self._due(model):
                self._orders.serve(model, consumer)
                self._missing.discard(model)
        if time.monotonic() >= self._lanes_at:
            self._lanes_at = time.monotonic() + LANES_S
            self._orders.serve_new_lanes(consumer)

    def _due(self, model: str) -> bool:
        return not self._process.pool.retry_in_s(selectors.resolve(model).id)
