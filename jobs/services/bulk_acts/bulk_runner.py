"""Goes on with acts on many jobs, at their rates."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from django.db import Error as DjangoDatabaseError
from django.db import connection

from jobs.core.acting.bulk_verbs import SLICE_S
from jobs.core.errors import PlatformError
from jobs.db import leases
from jobs.db.listen_loop import ListenLoop
from jobs.db.statement import Statement, run
from jobs.services.bulk_acts.slices import take_slices

IDLE_S = 1.0
_ANY_OPEN = Statement("SELECT EXISTS (SELECT FROM jobs_bulkact WHERE ended_at IS NULL)", bool)


class BulkRunner(ListenLoop):
    """Looks each second, and more often while an act runs.

    The office saves work: where two processes take a slice, the second finds the act's row locked.
    """

    office = leases.BULK_ACTS
    _busy = False

    @property
    def pause_s(self) -> float:
        """Return the seconds between two looks."""
        return SLICE_S / 5 if self._busy else IDLE_S

    def interruptions(self) -> tuple[type[Exception], ...]:
        """Return the errors after which it goes on with a new session."""
        return (*super().interruptions(), DjangoDatabaseError, PlatformError)

    def step(self, session: sa.Connection, payloads: Sequence[str]) -> None:  # noqa: ARG002  # no channel notifies it
        """Take the slices that are due."""
        (self._busy,) = run(session, _ANY_OPEN)
        if not self._busy:
            return
        try:
            take_slices(lambda: leases.keep(session))
        finally:
            connection.close()  # the services' own; Django closes no connection of a thread of ours
