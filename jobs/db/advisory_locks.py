"""Who does what: session-level advisory locks, gone with the connection that holds them."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

# The two-number form of advisory locks; the first number says what kind of lock it is.
QUEUE, RELAY, SWEEPER, ANSWERER, DISPATCHER, SURVEYOR = 7_301, 7_302, 7_303, 7_304, 7_305, 7_306
RETENTION = 7_315

_TRY = sa.text("SELECT pg_try_advisory_lock(:kind, hashtext(:name))")
_UNLOCK = sa.text("SELECT pg_advisory_unlock(:kind, hashtext(:name))")
_SHARE = sa.text("SELECT pg_advisory_lock_shared(:kind, 0)")
_HOLDERS = sa.text("""
SELECT count(*) FROM pg_locks
WHERE locktype = 'advisory' AND classid = :kind AND objid = 0 AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
""")


def try_lock(connection: sa.Connection, kind: int, name: str = "") -> bool:
    """Take the lock for this session unless another has it."""
    return bool(connection.execute(_TRY, {"kind": kind, "name": name}).scalar_one())


def unlock(connection: sa.Connection, kind: int, name: str = "") -> None:
    """Let others have the lock."""
    connection.execute(_UNLOCK, {"kind": kind, "name": name})


def join(connection: sa.Connection) -> None:
    """Count this session among the relays for as long as it lasts."""
    connection.execute(_SHARE, {"kind": RELAY})


def relays(connection: sa.Connection) -> int:
    """Return how many relays there are, this one included."""
    return int(connection.execute(_HOLDERS, {"kind": RELAY}).scalar_one())


def share_queues(connection: sa.Connection, *, wanted: Collection[str], owned: Collection[str]) -> set[str]:
    """Take or let go of queues until this relay has no more than its share; return what it owns now."""
    share = -(-len(wanted) // max(1, relays(connection)))
    kept = set(sorted(set(owned) & set(wanted))[:share])
    for queue in set(owned) - kept:
        unlock(connection, QUEUE, queue)
    for queue in wanted:
        if len(kept) < share and queue not in kept and try_lock(connection, QUEUE, queue):
            kept.add(queue)
    return kept
