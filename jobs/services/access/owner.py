"""The client behind a bearer token, cached in the process for up to two seconds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from time import monotonic

from jobs.core.access.scopes import Scope, covers
from jobs.core.admission.quota import UNLIMITED, Quota
from jobs.core.errors import ModelNotAllowedError, ResourceNotFoundError
from jobs.db.statement import Statement, fetch_all, storable

CACHED_S = 2.0  # a revoked token works for at most this long
CACHED_ENTRIES = 10_000


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A token that works, and its client."""

    token: int
    scopes: list[str]
    client: int
    name: str
    requests_per_s: float | None
    requests_burst: int | None
    bytes_per_s: int | None
    most_in_flight: int | None
    models: list[str]
    expires_at: datetime | None


TOKEN_BY_DIGEST = Statement(
    """
SELECT t.id AS token, t.scopes, c.id AS client, c.name, c.requests_per_s, c.requests_burst, c.bytes_per_s,
  c.most_in_flight, c.models, t.expires_at
FROM jobs_apitoken t JOIN jobs_client c ON c.id = t.client_id
WHERE t.digest = %(digest)s AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > now())
""",
    TokenRow,
)
WORKING_TOKENS = Statement(
    """
SELECT digest FROM jobs_apitoken
WHERE digest = ANY(%(digests)s) AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
""",
    bytes,
)
_CLIENT_ALONE = Statement(
    """
SELECT 0 AS token, '{}'::text[] AS scopes, id AS client, name, requests_per_s, requests_burst, bytes_per_s,
  most_in_flight, models, NULL::timestamptz AS expires_at
FROM jobs_client WHERE id = %(client)s
""",
    TokenRow,
)
_CLIENT = Statement("SELECT id FROM jobs_client WHERE name = %(name)s", int)


@dataclass(frozen=True, slots=True)
class Owner:
    """The client that sends a request, with the token that it uses and the token's scopes."""

    id: int
    name: str
    token: int
    scopes: frozenset[str]
    quota: Quota = UNLIMITED
    models: frozenset[str] = frozenset()  # those that it may use; all where it is empty
    expires_at: datetime | None = None

    def may(self, scope: Scope) -> bool:
        """Return whether the token has `scope`."""
        return covers(self.scopes, scope)

    def may_use(self, model: str) -> bool:
        """Return whether the client may use the model of this name."""
        return not self.models or model in self.models

    def check_model(self, model: str) -> None:
        """Refuse a model that the client may not use: ModelNotAllowedError, whether or not it exists."""
        if not self.may_use(model):
            raise ModelNotAllowedError(f"This client may not use the model {model!r}: ask an operator.")

    @property
    def reach(self) -> int | None:
        """Return the id of the client whose jobs the token may touch; None for the jobs of all clients."""
        return None if Scope.ADMIN in self.scopes else self.id

    @property
    def actor(self) -> str:
        """Return the actor's name in the audit."""
        return f"client:{self.name}"


_cached: dict[bytes, tuple[float, Owner | None]] = {}


def token_digest(token: str) -> bytes:
    """Return what is stored of a token: its SHA-256."""
    return sha256(token.encode("utf-8", "replace")).digest()


def owner_of(digest: bytes) -> Owner | None:
    """Return the owner of the token with this digest, or None where it is unknown, expired or revoked."""
    is_cached, owner = cached_owner(digest)
    return owner if is_cached else renew_owner(digest)


def cached_owner(digest: bytes) -> tuple[bool, Owner | None]:
    """Return whether the owner of a token's digest is cached, and the owner."""
    entry = _cached.get(digest)
    if entry is None or monotonic() - entry[0] > CACHED_S:
        return False, None
    return True, entry[1]


def used_life(digest: bytes) -> float:
    """Return the part of its time that a token has been cached; 1 or more: the next call reads it."""
    entry = _cached.get(digest)
    return 1.0 if entry is None else (monotonic() - entry[0]) / CACHED_S


def renew_owner(digest: bytes) -> Owner | None:
    """Read the owner of a token into the cache, and return it."""
    return cache_owner(digest, fetch_all(TOKEN_BY_DIGEST, {"digest": digest}))


def cache_owner(digest: bytes, rows: list[TokenRow]) -> Owner | None:
    """Cache and return the owner in the rows that `TOKEN_BY_DIGEST` returned for a digest."""
    if len(_cached) >= CACHED_ENTRIES:
        _cached.clear()
    owner = _owner(rows[0]) if rows else None
    _cached[digest] = (monotonic(), owner)
    return owner


def client_id(name: str) -> int:
    """Return a client's row id; ResourceNotFoundError where there is no client of that name."""
    ids = fetch_all(_CLIENT, {"name": name}) if storable(name) else []
    if not ids:
        raise ResourceNotFoundError("There is no such client.")
    return ids[0]


def client_alone(client: int) -> Owner:
    """Return a client that exists, with its quotas and models as they are now, and no scope."""
    (row,) = fetch_all(_CLIENT_ALONE, {"client": client})
    return _owner(row)


def forget_owners() -> None:
    """Empty the cache, so that the next read asks the database."""
    _cached.clear()


def _owner(row: TokenRow) -> Owner:
    quota = Quota(row.requests_per_s, row.requests_burst, row.bytes_per_s, row.most_in_flight)
    scopes, models = frozenset(row.scopes), frozenset(row.models)
    return Owner(row.client, row.name, row.token, scopes, quota, models, row.expires_at)
