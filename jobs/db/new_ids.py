"""New ids of rows: UUIDs of version 7 by the database's time, all other bits from the system's secure source.

An id stands in urls and logs. Who knows some ids, also of the same call, can compute no other one.
"""

from __future__ import annotations

from secrets import randbits
from uuid import UUID

from jobs.core.ids import RANDOM_BITS, uuid7
from jobs.db import database_clock


def new_id() -> UUID:
    """Return one new id."""
    return new_ids(1)[0]


def new_ids(number: int) -> list[UUID]:
    """Return new ids of this millisecond, which grow; each has random bits of its own."""
    now_ms = database_clock.now_ms()
    return sorted(uuid7(now_ms, randbits(RANDOM_BITS)) for _ in range(number))
