"""Sealing: a payload at rest, AES-256-GCM under a key with a name, bound to the one place where it may stand.

A sealed payload is nonce (12 bytes), ciphertext and tag (16 bytes); its row's `encoding` names the key. What
it is bound to, the run that it belongs to and its column, is authenticated: moved elsewhere it is unreadable.
Nonces are drawn by chance, so a key is good for four thousand million payloads: rotate it before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from jobs.core.errors import EncryptionUnavailableError, PayloadKeyMissingError, PayloadUnreadableError

PLAIN: Final = "identity"
SEALED: Final = "aesgcm:"
KEY_BYTES, NONCE_BYTES, TAG_BYTES = 32, 12, 16


class Column(StrEnum):
    """Which payload of a job it is."""

    INPUT = "input"
    PARAMETERS = "parameters"
    METADATA = "metadata"
    RESULT = "result"
    FILE = "file"


class SealedPlace(Protocol):
    """Where something sealed stands, and what of that is authenticated beside it."""

    @property
    def column(self) -> Column: ...  # noqa: D102
    @property
    def bound(self) -> bytes: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Place:
    """Where a payload stands; `job` is the one that ran, for its followers have copies of its result."""

    job: UUID
    column: Column

    @property
    def bound(self) -> bytes:
        """Return what is authenticated beside the payload; the job's id is of one length."""
        return b"payload/1/" + self.job.bytes + self.column.value.encode()


@dataclass(frozen=True, slots=True)
class Keyring:
    """AES keys of 32 bytes by name: the first one seals, each of them opens."""

    keys: Mapping[str, bytes] = field(repr=False)

    @property
    def encoding(self) -> str:
        """Return the `encoding` of what is sealed now; EncryptionUnavailableError without a key."""
        return SEALED + self._first

    def require(self) -> None:
        """Refuse to be without a key: EncryptionUnavailableError."""
        _ = self._first

    @property
    def _first(self) -> str:
        for name in self.keys:
            return name
        raise EncryptionUnavailableError

    def seal(self, plain: bytes, *, place: SealedPlace, nonce: bytes) -> bytes:
        """Return `plain` sealed under the first key; a `nonce` of 12 bytes is used once and never again."""
        return nonce + AESGCM(self.keys[self._first]).encrypt(nonce, plain, place.bound)

    def unseal(self, stored: bytes, *, encoding: str, place: SealedPlace) -> bytes:
        """Return what was sealed, or `stored` where its encoding says that it is plain.

        PayloadKeyMissingError where its key is not here; PayloadUnreadableError where it is not what was
        sealed for this place.
        """
        if encoding == PLAIN:
            return stored
        key = self.keys.get(encoding.removeprefix(SEALED)) if encoding.startswith(SEALED) else None
        if key is None:
            raise PayloadKeyMissingError(
                f"The {place.column} is sealed by {encoding!r}: that key is not here."
            )
        try:
            return AESGCM(key).decrypt(stored[:NONCE_BYTES], stored[NONCE_BYTES:], place.bound)
        except (InvalidTag, ValueError):
            raise PayloadUnreadableError(
                f"The {place.column} is not what {encoding!r} sealed here."
            ) from None
