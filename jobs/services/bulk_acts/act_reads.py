"""Reads how far acts on many jobs are."""

from __future__ import annotations

from datetime import datetime
from typing import LiteralString, NamedTuple

from jobs.core.errors import ResourceNotFoundError
from jobs.db.statement import Statement, fetch_all

MOST_SHOWN = 100


class ActProgress(NamedTuple):
    """An act: of the `total` jobs that matched at its start, how many are `done`, and how many `failed`."""

    id: int
    verb: str
    state: str
    total: int
    done: int
    failed: int
    rate_per_s: float
    actor: str
    created_at: datetime
    ended_at: datetime | None


_ACTS: LiteralString = """
SELECT id, verb, state, total, done, failed, rate_per_s, actor, created_at, ended_at FROM jobs_bulkact
WHERE (%(client)s::bigint IS NULL OR client_id = %(client)s)
"""
_READ = Statement(_ACTS + "AND id = %(act)s", ActProgress)
_LAST = Statement(_ACTS + "ORDER BY id DESC LIMIT %(most)s", ActProgress)


def read_act(act: int, *, client: int | None = None) -> ActProgress:
    """Return an act (that `client` has started, if given); ResourceNotFoundError."""
    rows = fetch_all(_READ, {"act": act, "client": client}) if act < 1 << 63 else []
    if not rows:
        raise ResourceNotFoundError("There is no such act on many jobs.")
    return rows[0]


def last_acts(*, client: int | None = None) -> list[ActProgress]:
    """Return the last hundred acts (that `client` has started, if given), newest first."""
    return fetch_all(_LAST, {"client": client, "most": MOST_SHOWN})
