"""Deliveries whose version is not loaded: they wait in the buffer, up to one batch of a version."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future
from functools import partial

from jobs.worker.loading.model_loader import ModelLoader
from jobs.worker.message_delivery import MessageDelivery
from jobs.worker.stages.buffer import Buffer

LEAST_S, MOST_S = 1.0, 10.0


class AwaitedLoads:
    """Keeps a version's deliveries unsealed in the buffer while it is being loaded; only the claim asks."""

    def __init__(self, buffer: Buffer, loader: ModelLoader) -> None:
        self._buffer, self._loader = buffer, loader
        self._since: dict[int, float] = {}

    def keep(self, version: int, deliveries: Sequence[MessageDelivery]) -> bool:
        """Put the first deliveries back into the buffer until the load has ended; False where others wait."""
        if version in self._since:
            return False
        self._since[version] = time.monotonic()
        self._buffer.keep(version, deliveries)
        self._loader.request(version).add_done_callback(partial(self._end, version))
        return True

    def put_back_s(self, version: int) -> float:
        """Return the seconds for which a delivery without room here is put back: the load's so far."""
        return min(max(time.monotonic() - self._since.get(version, 0.0), LEAST_S), MOST_S)

    def promised(self, version: int) -> bool:
        """Return whether the version was just loaded, and no batch has used it yet."""
        return self._loader.promised(version)

    def taken(self, version: int) -> tuple[float, float] | None:
        """Note that a batch uses the version; return when its load began and ended, to the first batch."""
        return self._loader.taken(version)

    def _end(self, version: int, _: Future[None]) -> None:
        self._since.pop(version, None)
        self._buffer.free(version)
