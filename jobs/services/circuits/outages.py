"""Records what keeps jobs from running, by the processes that notice it: a row for each time that it lasted.

What goes on is written at most once a second and kind, so that an outage costs no more than a heartbeat.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import sqlalchemy as sa
from django.db import Error as DjangoDatabaseError

from jobs.core.outage_kinds import OutageKind
from jobs.db.statement import Statement, execute, run

EVERY_S = 1.0
AGAIN_S = 5.0  # what is noticed again within this time lasted in between

_BEGIN = Statement(
    """
INSERT INTO jobs_outage (kind, model, version, node, began_at, until)
VALUES (%(kind)s, %(model)s, %(version)s, %(node)s, now() - make_interval(secs => %(since_s)s),
  now() + make_interval(secs => %(ahead_s)s))
RETURNING id
""",
    int,
)
_GO_ON = Statement(
    """
UPDATE jobs_outage SET until = GREATEST(until, now() + make_interval(secs => %(ahead_s)s)) WHERE id = %(id)s
RETURNING id
""",
    int,
)


class _Open(NamedTuple):
    row: int
    noted_at: float
    until: float


class OutageLog:
    """The outages that one thread notices; `clock` returns monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin without any."""
        self._clock = clock
        self._open: dict[tuple[OutageKind, str], _Open] = {}
        self._lost_at: dict[OutageKind, float] = {}

    def lost(self, kind: OutageKind) -> None:
        """Remember that it is away, and write that now where the database is not."""
        self._lost_at.setdefault(kind, self._clock())
        if OutageKind.DATABASE not in self._lost_at:
            with suppress(DjangoDatabaseError):
                self._note_lost(None)

    def back(self, session: sa.Connection) -> None:
        """Record until now what was lost and is back."""
        self._note_lost(session)
        self._lost_at.clear()

    def _note_lost(self, session: sa.Connection | None) -> None:
        for kind, lost_at in self._lost_at.items():
            self.note(session, kind, since_s=self._clock() - lost_at)

    def note(
        self,
        session: sa.Connection | None,
        kind: OutageKind,
        *,
        model: str = "",
        since_s: float = 0.0,
        ahead_s: float = 0.0,
    ) -> None:
        """Note that it holds jobs now, since `since_s` ago and for `ahead_s` to come.

        Without a `session` it is written on this thread's Django connection.
        """
        now, before = self._clock(), self._open.get((kind, model))
        lasts = before is not None and now - since_s <= before.until + AGAIN_S
        if before and lasts and now - before.noted_at < EVERY_S:
            return  # a second is lost at its end at most
        values = {
            "kind": kind,
            "model": model,
            "since_s": since_s,
            "ahead_s": ahead_s,
            "version": 0,
            "node": "",
        }
        rows = _write(session, _GO_ON, {**values, "id": before.row}) if before and lasts else []
        (row,) = rows or _write(session, _BEGIN, values)
        until = max(now + ahead_s, before.until if before and lasts else 0.0)
        self._open[kind, model] = _Open(row, now, until)


def note_load(*, node: str, version: int, load_s: float) -> None:
    """Record that the worker `node` was loading a version for the last `load_s` seconds."""
    values = {"kind": OutageKind.COLD_MODEL, "model": "", "version": version, "node": node}
    execute(_BEGIN, {**values, "since_s": load_s, "ahead_s": 0.0})


def _write(session: sa.Connection | None, statement: Statement[int], values: dict[str, object]) -> list[int]:
    return execute(statement, values) if session is None else run(session, statement, values)
