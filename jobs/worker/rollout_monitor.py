"""The worker's view of roll-outs, at most a second old: which versions are watched, and what limits them.

It decides how a batch is claimed and settled, not what is allowed: that is decided by the rows, in the same
transaction. While the database does not answer, the last view is used.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from types import MappingProxyType

import sqlalchemy as sa

from jobs.services.lifecycle.rerouting.watched import WatchedVersion, limit_s, read_watched

log = logging.getLogger(__name__)
REFRESH_S = 1.0
LIMIT_S = 30.0  # between two reads of a stable version's run times
NOTHING: Mapping[int, tuple[WatchedVersion, ...]] = MappingProxyType({})


class RolloutMonitor:
    """Reads the watched versions; used by the claim stage's thread alone."""

    def __init__(self, engine: sa.Engine) -> None:
        """Prepare to read."""
        self._engine = engine
        self._watched = NOTHING
        self._read_at = float("-inf")
        self._limits: dict[int, tuple[float, float]] = {}  # of a stable version: when it was read, seconds

    def watches(self, version: int) -> tuple[WatchedVersion, ...]:
        """Return the parts that a version has in roll-outs, none for most."""
        if time.monotonic() - self._read_at >= REFRESH_S:
            self._refresh()
        return self._watched.get(version, ())

    def _refresh(self) -> None:
        try:
            with self._engine.begin() as connection:
                self._watched = {
                    version: tuple(self._limited(connection, part) for part in parts)
                    for version, parts in read_watched(connection).items()
                }
        except sa.exc.DBAPIError as error:
            log.warning("the roll-outs could not be read: %s", type(error).__name__)
        self._read_at = time.monotonic()

    def _limited(self, connection: sa.Connection, part: WatchedVersion) -> WatchedVersion:
        if not (part.gated and part.unproven and part.is_live):
            return part
        read_at, seconds = self._limits.get(part.stable, (float("-inf"), 0.0))
        if time.monotonic() - read_at >= LIMIT_S:
            seconds = limit_s(connection, part.stable)
            self._limits[part.stable] = time.monotonic(), seconds
        return part._replace(limit_s=seconds)
