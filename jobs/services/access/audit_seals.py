"""Seal the audit's new events, beside the work that wrote them: no call waits for it."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa
from django.conf import settings

from jobs.core.access.seals import GENESIS, seal_hash, seal_mac
from jobs.db import leases
from jobs.db.statement import Statement, run

ROWS_A_SEAL = 1_000


class SealedEvent(NamedTuple):
    """An event's id, time and hash."""

    id: int
    at: datetime
    hash: bytes


class _Last(NamedTuple):
    last_id: int
    hash: bytes


class IdsLook(NamedTuple):
    """The newest event, and which transactions are open."""

    newest: int
    oldest_open: int
    next_number: int


# The hash covers every column. jsonb and microseconds since 1970 have one form in every session.
EVENTS = Statement(
    """
SELECT id, at, sha256(convert_to(jsonb_build_array(
  id, job_id, kind, actor, epoch, detail, (extract(epoch FROM at) * 1000000)::bigint, host(address), token
)::text, 'UTF8')) AS hash
FROM jobs_event WHERE id > %(after)s AND id <= %(until)s ORDER BY id LIMIT %(most)s
""",
    SealedEvent,
)
_LAST = Statement("SELECT last_id, hash FROM jobs_auditseal ORDER BY id DESC LIMIT 1", _Last)
_SEAL: Statement[None] = Statement("""
INSERT INTO jobs_auditseal (first_id, last_id, row_count, row_hashes, previous, hash, mac, newest_at)
VALUES (%(first)s, %(last)s, %(rows)s, %(row_hashes)s, %(previous)s, %(hash)s, %(mac)s, %(newest_at)s)
""")
_LOOK = Statement(
    """
SELECT COALESCE((SELECT max(id) FROM jobs_event), 0) AS newest,
  pg_snapshot_xmin(shot)::text::bigint AS oldest_open, pg_snapshot_xmax(shot)::text::bigint AS next_number
FROM pg_current_snapshot() AS shot
""",
    IdsLook,
)


def look(session: sa.Connection) -> IdsLook:
    """Return what `SettledIds` needs to know."""
    (seen,) = run(session, _LOOK)
    return seen


def last_sealed(session: sa.Connection) -> int:
    """Return the id of the last event that is sealed; 0 where none is."""
    return next((last.last_id for last in run(session, _LAST)), 0)


def seal_next(session: sa.Connection, *, until: int) -> int:
    """Seal the next events up to the id `until`, ROWS_A_SEAL at most; return how many."""
    with leases.fenced(session):
        last = next(iter(run(session, _LAST)), _Last(0, GENESIS))
        events = run(session, EVENTS, {"after": last.last_id, "until": until, "most": ROWS_A_SEAL})
        if events:
            run(session, _SEAL, _seal(last, events))
        return len(events)


def _seal(last: _Last, events: list[SealedEvent]) -> dict[str, object]:
    ids = {"first_id": events[0].id, "last_id": events[-1].id}
    row_hashes = b"".join(event.hash for event in events)
    newest_at = max(event.at for event in events)
    hash_ = seal_hash(last.hash, row_hashes=row_hashes, newest_at=newest_at, **ids)
    return {
        "first": ids["first_id"],
        "last": ids["last_id"],
        "rows": len(events),
        "row_hashes": row_hashes,
        "previous": last.hash,
        "hash": hash_,
        "mac": seal_mac(settings.INFERENCE.secret_key, hash_),
        "newest_at": newest_at,
    }
