"""Seals the audit and exports what is sealed, in one process at a time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from threading import Event

import sqlalchemy as sa
from django.conf import settings

from jobs import metrics
from jobs.core.access.seals import SettledIds
from jobs.db import leases
from jobs.db.listen_loop import ListenLoop
from jobs.services.access import audit_seals
from jobs.services.access.audit_export import Exporter

log = logging.getLogger(__name__)

EVERY_S = 2.0
LONGEST_S = 10.0  # an event is sealed within this time, or as soon as a whole seal's worth waits


class AuditSealer(ListenLoop):
    """Seals events once no transaction can add one before them; several processes take turns by a lease."""

    office = leases.AUDIT_SEALER

    def __init__(self, *, stop: Event, clock: Callable[[], float] = time.monotonic) -> None:
        """Prepare to seal; `clock` returns monotonic seconds."""
        super().__init__(stop=stop, clock=clock)
        self._ids, self._sealed, self._seal_at = SettledIds(), 0, 0.0
        self._exporter = Exporter(settings.INFERENCE.audit_export)

    @property
    def pause_s(self) -> float:
        """Return the seconds between two looks at the newest event."""
        return EVERY_S

    def opened(self, session: sa.Connection) -> None:
        """Begin where the process before has ended."""
        self._ids, self._sealed, self._seal_at = SettledIds(), audit_seals.last_sealed(session), 0.0

    def step(self, session: sa.Connection, payloads: Sequence[str]) -> None:  # noqa: ARG002  # no channel notifies it
        """Seal what is settled, and export what is sealed."""
        settled = self._ids.look(**audit_seals.look(session)._asdict())
        waiting, now = settled - self._sealed, self._clock()
        if waiting >= audit_seals.ROWS_A_SEAL or (waiting > 0 and now >= self._seal_at):
            while audit_seals.seal_next(session, until=settled) == audit_seals.ROWS_A_SEAL:
                leases.keep(session)
            self._sealed, self._seal_at = settled, now + LONGEST_S
        try:
            self._exporter.export(session)
        except (OSError, ValueError) as error:  # what cannot be exported stops no seal
            metrics.AUDIT_EXPORT_FAILURES.inc()
            log.warning("the audit is not exported: %s", error)
        metrics.AUDIT_SEALED_AT.set_to_current_time()
