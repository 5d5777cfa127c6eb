"""Keeps in memory what this worker's models need: what aliases point at, and what they are moved to next."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from threading import Event

from django.conf import settings
from django.db import connection

from jobs.worker.loading.model_loader import ModelLoader
from models_registry.core.loads.wanted import Orders
from models_registry.selectors import wanted_versions
from models_registry.services import finish_moves

logger = logging.getLogger(__name__)
LOOK_S = 1.0


class ResidentVersions:
    """Looks each second, until stopped; the loads themselves are the loader's."""

    def __init__(self, loader: ModelLoader, models: Callable[[], Collection[str]], *, stop: Event) -> None:
        """Prepare to look after the models that `models` returns."""
        self._loader, self._models, self._stop = loader, models, stop
        self._orders = Orders()

    def run(self) -> None:
        """Look until stopped; what fails, a database or a read of what is consumed, is tried again."""
        while not self._stop.wait(LOOK_S):
            try:
                self.step()
            except Exception as error:  # noqa: BLE001  # without this thread no alias ever moves again
                logger.warning("the aliases are looked at again: %s", type(error).__name__)
            finally:
                connection.close_if_unusable_or_obsolete()
        connection.close()

    def step(self) -> None:
        """Order what became wanted, keep it in memory, and end the moves that wait for no worker."""
        models, pool = list(self._models()), self._loader.pool
        wanted = wanted_versions(models, keep_warm_s=settings.INFERENCE.keep_warm_s)
        pool.keep(pinned=wanted.to_load, shared=wanted.with_traffic, warm=wanted.warm)
        loaded = {entry.info.id for entry in pool.loaded()}
        # A database that fails ends a load, and is no reason to let a move wait for its whole time.
        missing = [v for v in wanted.coming if v not in loaded and not pool.retry_in_s(v)]
        for version in dict.fromkeys((*self._orders.due(wanted, loaded), *missing)):
            self._loader.request(version, anew=version in wanted.coming)
        pool.report_again()
        if wanted.coming:
            finish_moves(models)
