"""Who a bearer token stands for, kept in the process for up to two seconds."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from time import monotonic
from typing import LiteralString

from jobs.selectors.statement import Row, fetch_all

KEPT_S = 2.0  # a revoked token works for at most this long
KEPT_ENTRIES = 10_000
FIND: LiteralString = """
SELECT c.id, c.name FROM jobs_apitoken t JOIN jobs_client c ON c.id = t.client_id
WHERE t.digest = %s AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > now())
"""


@dataclass(frozen=True, slots=True)
class Owner:
    """The client that a request speaks for."""

    id: int
    name: str


_kept: dict[bytes, tuple[float, Owner | None]] = {}


def token_digest(token: str) -> bytes:
    """Return what is stored of a token: its SHA-256."""
    return sha256(token.encode("utf-8", "replace")).digest()


def owner_of(token: str) -> Owner | None:
    """Return whom `token` stands for, or None where it is unknown, expired or revoked."""
    key = token_digest(token)
    known, owner = kept_owner(key)
    return owner if known else keep_owner(key, fetch_all(FIND, (key,)))


def kept_owner(key: bytes) -> tuple[bool, Owner | None]:
    """Return whether the answer for a digest is at hand, and the answer."""
    kept = _kept.get(key)
    if kept is None or monotonic() - kept[0] > KEPT_S:
        return False, None
    return True, kept[1]


def keep_owner(key: bytes, rows: list[Row]) -> Owner | None:
    """Keep and return the answer that `FIND` gave for a digest."""
    if len(_kept) >= KEPT_ENTRIES:
        _kept.clear()
    owner = Owner(*rows[0]) if rows else None
    _kept[key] = (monotonic(), owner)
    return owner


def forget_owners() -> None:
    """Drop what is kept, so that the next read sees the database."""
    _kept.clear()
