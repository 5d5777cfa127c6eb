"""Makes the partitions of payloads ahead of the jobs that need them, so that no request does."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from threading import Event

import sqlalchemy as sa

from jobs.db import leases
from jobs.db.listen_loop import ListenLoop
from jobs.db.statement import Statement, run
from jobs.services.retention.keep_days import default_days
from jobs.services.retention.partitions import make_ahead

log = logging.getLogger(__name__)

EVERY_S = 1.0
AGAIN_S = 10.0  # each try may hold up others for a fifth of a second
ALL_EVERY_S = 600.0  # beat's run makes the days ahead too, but beat may be away
_NOW_MS = Statement("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint", int)
_CLASSES = Statement(
    """
SELECT DISTINCT (options ->> 'retention_days')::int FROM models_registry_modelversion
WHERE jsonb_typeof(options -> 'retention_days') = 'number'
""",
    int,
)


class PartitionMaker(ListenLoop):
    """Makes the classes of new versions within seconds, and looks at the days ahead now and then.

    The office saves work: where two processes make the same partition, one of them finds it made.
    """

    office = leases.PARTITION_MAKER

    def __init__(self, *, stop: Event, clock: Callable[[], float] = time.monotonic) -> None:
        """Prepare to make partitions; `clock` returns monotonic seconds."""
        super().__init__(stop=stop, clock=clock)
        self._made = set[int]()
        self._all_at = self._again_at = 0.0

    @property
    def pause_s(self) -> float:
        """Return the seconds between two looks at the registry."""
        return EVERY_S

    def step(self, session: sa.Connection, payloads: Sequence[str]) -> None:  # noqa: ARG002  # no channel notifies it
        """Make what the classes in use lack."""
        if self._clock() >= self._all_at:
            self._made.clear()
            self._all_at = self._clock() + ALL_EVERY_S
        lacking = {*run(session, _CLASSES), default_days()} - self._made
        if not lacking or self._clock() < self._again_at:
            return
        (now_ms,) = run(session, _NOW_MS)
        late = {window.keep_days for window in make_ahead(session, lacking, now_ms=now_ms)}
        self._made |= lacking - late
        if late:
            log.warning("others use the tables of payloads; partitions are made in %.0f s", AGAIN_S)
            self._again_at = self._clock() + AGAIN_S
