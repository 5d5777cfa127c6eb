"""Looks at the first jobs of replays, and lets the others follow or stops the replay."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from django.db import Error as DjangoDatabaseError
from django.db import connection

from jobs.core.errors import PlatformError
from jobs.db import leases
from jobs.db.listen_loop import ListenLoop
from jobs.services.dead_letters.canary import any_open, take_steps

EVERY_S = 1.0


class CanaryRunner(ListenLoop):
    """Looks each second until stopped.

    The office saves work: where two processes take the same step, one of them finds the jobs queued.
    """

    office = leases.REPLAYS

    @property
    def pause_s(self) -> float:
        """Return the seconds between two looks."""
        return EVERY_S

    def interruptions(self) -> tuple[type[Exception], ...]:
        """Return the errors after which it goes on with a new session."""
        return (*super().interruptions(), DjangoDatabaseError, PlatformError)

    def step(self, session: sa.Connection, payloads: Sequence[str]) -> None:  # noqa: ARG002  # no channel notifies it
        """Take the next step of each open replay."""
        if not any_open(session):
            return
        try:
            take_steps(lambda: leases.keep(session))
        finally:
            connection.close()  # the services' own; Django closes no connection of a thread of ours
