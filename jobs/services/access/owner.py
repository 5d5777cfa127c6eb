"""Who a bearer token stands for, kept in the process for up to two seconds."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from time import monotonic
from typing import Any, LiteralString

from jobs.core.access.scopes import Scope, covers
from jobs.core.admission.quota import UNLIMITED, Quota
from jobs.core.errors import ResourceNotFoundError
from jobs.db.positional import Row, fetch_all, storable

KEPT_S = 2.0  # a revoked token works for at most this long
KEPT_ENTRIES = 10_000
FIND: LiteralString = """
SELECT c.id, c.name, t.id, t.scopes, c.requests_per_s, c.requests_burst, c.bytes_per_s, c.most_in_flight
FROM jobs_apitoken t JOIN jobs_client c ON c.id = t.client_id
WHERE t.digest = %s AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > now())
"""
_CLIENT: LiteralString = "SELECT id FROM jobs_client WHERE name = %s"


@dataclass(frozen=True, slots=True)
class Owner:
    """The client that a request speaks for, by which token, and what that may be used for."""

    id: int
    name: str
    token: int
    scopes: frozenset[str]
    quota: Quota = UNLIMITED

    def may(self, scope: Scope) -> bool:
        """Say whether the token may be used for what needs `scope`."""
        return covers(self.scopes, scope)

    @property
    def reach(self) -> int | None:
        """Return the client whose jobs the token can touch; None where it is every client's."""
        return None if Scope.ADMIN in self.scopes else self.id

    @property
    def actor(self) -> str:
        """Return what the audit calls it."""
        return f"client:{self.name}"


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
    owner = _owner(*rows[0]) if rows else None
    _kept[key] = (monotonic(), owner)
    return owner


def client_id(name: str) -> int:
    """Return a client's row id; ResourceNotFoundError where nobody is called so."""
    rows = fetch_all(_CLIENT, (name,)) if storable(name) else []
    if not rows:
        raise ResourceNotFoundError("There is no such client.")
    return int(rows[0][0])


def forget_owners() -> None:
    """Drop what is kept, so that the next read sees the database."""
    _kept.clear()


def _owner(client: int, name: str, token: int, scopes: list[str], *quota: Any) -> Owner:
    return Owner(client, name, token, frozenset(scopes), Quota(*quota))
