"""Leases, by which one of several processes does a thing, on the database's clock.

A holder is one session of one process; its row is renewed every RENEW_S. A lease names its holder, and is
free where that holder's row is gone. Whoever wants a lease first buries the holders whose time is over, or
whose session has ended; so a stopped process is replaced after LEASE_S, a killed one at once. A holder that
is late and that nobody has buried goes on.

The holder's id is the fencing token. A transaction that may only be done by the holder begins with a lock on
the holder's row (`fenced`), a single statement has `HELD` among its conditions. A process that wakes after
its time finds its row gone, and changes nothing.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import LiteralString
from uuid import UUID, uuid4

import sqlalchemy as sa

from jobs.db.session import transaction
from jobs.db.statement import Statement, count, execute, run

log = logging.getLogger(__name__)

LEASE_S = 6.0
RENEW_S = 1.5
RELAY, SWEEPER, FOLLOWER_SETTLER = "relay", "sweeper", "follower-settler"
REPLAYS, AUDIT_SEALER, BULK_ACTS = "replays", "audit-sealer", "bulk-acts"
EDITED_REPLAYS = "edited-replays"
RELAY_SEEN = "relay:seen"  # without a holder: its time is when any relay was last at work
RECORDER = "recorder"
ROLLOUT_JUDGE, SHADOW_KEEPER = "rollout-judge", "shadow-keeper"
DISPATCHER, SURVEYOR, RETENTION, PARTITION_MAKER = "dispatcher", "surveyor", "retention", "partition-maker"

# A session of another database user hides its start; its holder counts as alive until its time is over.
_ALIVE: LiteralString = """
holder.expires_at > clock_timestamp() AND EXISTS (
  SELECT FROM pg_stat_get_activity(holder.session_pid) AS activity
  WHERE activity.backend_start IS NULL OR activity.backend_start = holder.session_began)
"""
# A condition of a statement that only a live holder may do; its parameter is `fence_of` the session.
HELD: LiteralString = """
(%(holder)s::uuid IS NULL
  OR EXISTS (SELECT FROM jobs_leaseholder WHERE id = %(holder)s))
"""

_REGISTER = Statement("""
INSERT INTO jobs_leaseholder (id, office, label, session_pid, session_began, expires_at)
SELECT %(holder)s, %(office)s, %(label)s, pid, backend_start,
  clock_timestamp() + make_interval(secs => %(lease_s)s)
FROM pg_stat_get_activity(pg_backend_pid())
""")
_RENEW = Statement("""
UPDATE jobs_leaseholder SET expires_at = clock_timestamp() + make_interval(secs => %(lease_s)s)
WHERE id = %(holder)s
""")
# A holder whose last transaction is still open keeps its row until that has ended.
_BURY = Statement(
    f"""
DELETE FROM jobs_leaseholder WHERE id IN (
  SELECT id FROM jobs_leaseholder AS holder WHERE NOT ({_ALIVE}) FOR UPDATE SKIP LOCKED
) RETURNING label
""",  # noqa: S608  # built from constants of this file
    str,
)
# A statement that waits for a lease's row sees the holders of before it waited: this one waits instead.
_AWAIT = Statement("SELECT name FROM jobs_lease WHERE name = %(name)s FOR UPDATE", str)
_TAKE = Statement("""
INSERT INTO jobs_lease AS lease (name, holder, fence, taken_at) VALUES (%(name)s, %(holder)s, 1, now())
ON CONFLICT (name) DO UPDATE
SET holder = excluded.holder, fence = lease.fence + 1, taken_at = excluded.taken_at
WHERE lease.holder = excluded.holder OR NOT EXISTS (SELECT FROM jobs_leaseholder WHERE id = lease.holder)
""")
_TAKEN = Statement(
    f"""
SELECT EXISTS (
  SELECT FROM jobs_lease AS lease JOIN jobs_leaseholder AS holder ON holder.id = lease.holder
  WHERE lease.name = %(name)s AND {_ALIVE}
)
""",  # noqa: S608
    bool,
)
_RELEASE = Statement("DELETE FROM jobs_lease WHERE name = %(name)s AND holder = %(holder)s")
_RESIGN = Statement("DELETE FROM jobs_leaseholder WHERE id = %(holder)s")
_FENCE = Statement(
    "SELECT id FROM jobs_leaseholder WHERE id = %(holder)s FOR KEY SHARE",
    UUID,
)
_PEERS = Statement(
    f"SELECT count(*) FROM jobs_leaseholder AS holder WHERE office = %(office)s AND {_ALIVE}",  # noqa: S608
    int,
)


class LeaseLostError(Exception):
    """This process was too late to renew its lease: another took over."""


class HeldLeases:
    """A session's claim to leases of one office; not for use by several threads."""

    def __init__(
        self,
        session: sa.Connection,
        office: str,
        *,
        lease_s: float = LEASE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Register as a holder for `office`; `clock` returns monotonic seconds."""
        self.id, self.office = uuid4(), office
        self._session, self._lease_s, self._clock = session, lease_s, clock
        label = f"{office}@{socket.gethostname()}:{os.getpid()}"
        run(session, _REGISTER, {**self._key, "office": office, "label": label, "lease_s": lease_s})
        self._renew_at = clock() + RENEW_S
        session.info["holder"] = self

    @property
    def _key(self) -> dict[str, UUID]:
        return {"holder": self.id}

    def keep(self, for_s: float = 0.0) -> None:
        """Renew where that is due, or now for a step that takes `for_s` seconds; LeaseLostError."""
        if self._clock() < self._renew_at and for_s <= self._lease_s:
            return
        if not count(self._session, _RENEW, {**self._key, "lease_s": max(self._lease_s, for_s)}):
            raise LeaseLostError(f"the lease of the {self.office} is another's now")
        self._renew_at = self._clock() + RENEW_S

    def take(self, name: str) -> bool:
        """Take the lease `name` unless another holds it; return whether this holder has it."""
        for label in run(self._session, _BURY):
            log.warning("%s has not renewed its leases: they are free", label)
        with transaction(self._session):
            run(self._session, _AWAIT, {"name": name})
            return bool(count(self._session, _TAKE, {**self._key, "name": name}))

    def release(self, name: str) -> None:
        """Let others take the lease `name`."""
        run(self._session, _RELEASE, {**self._key, "name": name})

    def resign(self) -> None:
        """Let others take all leases of this holder."""
        run(self._session, _RESIGN, self._key)
        self._session.info.pop("holder", None)

    def divide(self, names: Collection[str], owned: Collection[str]) -> set[str]:
        """Take or release leases until this holder has an equal part of `names` at most; return its part."""
        most = -(-len(names) // max(1, peers(self._session, self.office)))
        owned_now = set(sorted(set(owned) & set(names))[:most])
        for name in set(owned) - owned_now:
            self.release(_queue(name))
        for name in names:
            if len(owned_now) < most and name not in owned_now and self.take(_queue(name)):
                owned_now.add(name)
        return owned_now


def peers(session: sa.Connection, office: str) -> int:
    """Return how many live holders an office has."""
    (peers,) = run(session, _PEERS, {"office": office})
    return peers


def held_by_another(session: sa.Connection, name: str) -> bool:
    """Return whether a live holder has the lease `name`."""
    (taken,) = run(session, _TAKEN, {"name": name})
    return taken


def keep(session: sa.Connection, for_s: float = 0.0) -> None:
    """Renew a session's leases, if it has any, before what takes up to `for_s` seconds; LeaseLostError."""
    if (holder := holder_of(session)) is not None:
        holder.keep(for_s)


@contextmanager
def fenced(session: sa.Connection) -> Iterator[None]:
    """Hold one transaction that only a live holder may do; LeaseLostError, and nothing is changed.

    While it is open nobody can take over. A session without leases holds a plain transaction.
    """
    holder = holder_of(session)
    with transaction(session):
        if holder is not None and not run(session, _FENCE, {"holder": holder.id}):
            raise LeaseLostError(f"the lease of the {holder.office} is another's now")
        yield


def fence_here(session: sa.Connection) -> None:
    """Do as `fenced` in the open transaction of this thread's Django connection, which services use."""
    holder = holder_of(session)
    if holder is not None and not execute(_FENCE, {"holder": holder.id}):
        raise LeaseLostError(f"the lease of the {holder.office} is another's now")


def fence_of(session: sa.Connection) -> dict[str, UUID | None]:
    """Return the parameter of HELD; a session without leases may do everything, as a worker's may."""
    holder = holder_of(session)
    return {"holder": None if holder is None else holder.id}


def holder_of(session: sa.Connection) -> HeldLeases | None:
    """Return what a session holds; None where it has no office."""
    holder: HeldLeases | None = session.info.get("holder")
    return holder


def _queue(name: str) -> str:
    return f"queue:{name}"
