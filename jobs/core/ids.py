"""Time-ordered job ids (UUIDv7, RFC 9562 section 5.7), and the ids that bound a time window."""

from __future__ import annotations

from uuid import UUID

_VERSION_7 = 7 << 76
_VARIANT = 2 << 62
RANDOM_BITS = 74


def uuid7(unix_ms: int, entropy: int) -> UUID:
    """Return the UUIDv7 of `unix_ms` (milliseconds since 1970) with 74 bits of `entropy`."""
    entropy &= (1 << RANDOM_BITS) - 1
    high, low = entropy >> 62, entropy & ((1 << 62) - 1)
    return UUID(int=(unix_ms << 80) | _VERSION_7 | (high << 64) | _VARIANT | low)


def first_id_at(unix_ms: int) -> UUID:
    """Return the smallest UUIDv7 of `unix_ms`: ids of that time or later are not smaller.

    Before 1970 no id was made: people ask for such times too, and get the first id of all.
    """
    return uuid7(max(unix_ms, 0), 0)


def unix_ms_of(job_id: UUID) -> int:
    """Return the millisecond since 1970 that a UUIDv7 carries."""
    return job_id.int >> 80
