"""Keeps on record when no relay was there: each leaves a mark every two seconds, which the next one reads."""

from __future__ import annotations

import time
from collections.abc import Callable
from uuid import UUID

import sqlalchemy as sa

from jobs.core.outage_kinds import OutageKind
from jobs.db.leases import RELAY_SEEN
from jobs.db.statement import Statement, run

EVERY_S = 2.0
SHORTEST_S = 6.0  # a relay may be late with its mark

_SEEN: Statement[None] = Statement("""
INSERT INTO jobs_lease (name, holder, fence, taken_at) VALUES (%(name)s, %(nobody)s, 0, now())
ON CONFLICT (name) DO UPDATE SET taken_at = now()
""")
_NOTE: Statement[None] = Statement("""
INSERT INTO jobs_outage (kind, began_at, until)
SELECT %(kind)s, taken_at, now() - make_interval(secs => %(away_s)s) FROM jobs_lease
WHERE name = %(name)s AND taken_at < now() - make_interval(secs => %(away_s)s + %(shortest_s)s::float8)
""")


class RelayGaps:
    """The gaps before one relay's sessions; `clock` returns monotonic seconds.

    The time in which this relay itself asked for the broker or the database in vain is no part of them.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin where the process starts."""
        self._clock = clock
        self._away_since: float | None = clock()
        self._mark_at = 0.0

    def away(self) -> None:
        """Remember that this relay has lost the broker or the database."""
        if self._away_since is None:
            self._away_since = self._clock()

    def opened(self, session: sa.Connection) -> None:
        """Record for how long no relay was there, if that was long; leave a mark."""
        away_s = 0.0 if self._away_since is None else self._clock() - self._away_since
        values = {"kind": OutageKind.NO_RELAY, "away_s": away_s, "shortest_s": SHORTEST_S}
        run(session, _NOTE, {**values, "name": RELAY_SEEN})
        self._away_since, self._mark_at = None, 0.0
        self.mark(session)

    def mark(self, session: sa.Connection) -> None:
        """Leave a mark where that is due."""
        if self._clock() >= self._mark_at:
            run(session, _SEEN, {"name": RELAY_SEEN, "nobody": UUID(int=0)})
            self._mark_at = self._clock() + EVERY_S
