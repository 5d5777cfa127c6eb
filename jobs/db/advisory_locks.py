"""Advisory locks, by which one of several processes does a thing; they end with the session's connection."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from jobs.db.statement import Statement, run

# The two-number form of advisory locks; the first number is the kind of the lock.
QUEUE, RELAY, SWEEPER, FOLLOWER_SETTLER, DISPATCHER, SURVEYOR = 7_301, 7_302, 7_303, 7_304, 7_305, 7_306
RETENTION = 7_315

_TRY = Statement("SELECT pg_try_advisory_lock(%(kind)s, hashtext(%(name)s))", bool)
_UNLOCK = Statement("SELECT pg_advisory_unlock(%(kind)s, hashtext(%(name)s))")
_JOIN = Statement("SELECT pg_advisory_lock_shared(%(kind)s, 0)")
_HOLDERS = Statement(
    """
SELECT count(*) FROM pg_locks
WHERE locktype = 'advisory' AND classid = %(kind)s AND objid = 0 AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
""",
    int,
)


def try_lock(connection: sa.Connection, kind: int, name: str = "") -> bool:
    """Take the lock for this session unless another has it; return whether this session has it."""
    (locked,) = run(connection, _TRY, {"kind": kind, "name": name})
    return locked


def unlock(connection: sa.Connection, kind: int, name: str = "") -> None:
    """Release the lock."""
    run(connection, _UNLOCK, {"kind": kind, "name": name})


def join(connection: sa.Connection) -> None:
    """Count this session among the relays for as long as it lasts."""
    run(connection, _JOIN, {"kind": RELAY})


def relays(connection: sa.Connection) -> int:
    """Return how many relays there are, this one included."""
    (relays,) = run(connection, _HOLDERS, {"kind": RELAY})
    return relays


def divide_queues(connection: sa.Connection, *, queues: Collection[str], owned: Collection[str]) -> set[str]:
    """Take or release queues until this relay has at most an equal part; return the queues that it owns."""
    most = -(-len(queues) // max(1, relays(connection)))
    owned_now = set(sorted(set(owned) & set(queues))[:most])
    for queue in set(owned) - owned_now:
        unlock(connection, QUEUE, queue)
    for queue in queues:
        if len(owned_now) < most and queue not in owned_now and try_lock(connection, QUEUE, queue):
            owned_now.add(queue)
    return owned_now
