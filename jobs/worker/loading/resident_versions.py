"""Keeps in memory what this worker's models need: what aliases point at, and what they are moved to next."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from threading import Event

from django.conf import settings
from django.db import Error as DjangoDatabaseError
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
        """Look until stopped; a database that fails delays the next look."""
        while not self._stop.wait(LOOK_S):
            try:
                self.step()
            except DjangoDatabaseError as error:
                logger.warning("the aliases cannot be read: %s", type(error).__name__)
            finally:
                connection.close_if_unusable_or_obsolete()
        connection.close()

    def step(self) -> None:
        """Order what became wanted, keep it in memory, and end the moves that nobody is waited for."""
        models, pool = list(self._models()), self._loader.pool
        wanted = wanted_versions(models, keep_warm_s=settings.INFERENCE.keep_warm_s)
        pool.keep(pinned=(*wanted.stable, *wanted.coming), shared=wanted.stable, warm=wanted.warm)
        for version in self._orders.due(wanted, {loaded.info.id for loaded in pool.loaded()}):
            self._loader.request(version, anew=version in wanted.coming)
        if wanted.coming:
            finish_moves(models)
