"""Encryption of payloads at rest: AES-256-GCM under a named key, bound to one row and column.

A sealed payload is nonce (12 bytes), ciphertext and tag (16 bytes); the `encoding` of its row names the key.
The job that ran and the column are authenticated: a payload that is moved elsewhere is unreadable. Nonces are
random, so a key must be rotated before it has sealed four thousand million payloads.
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
    """The kind of a payload."""

    INPUT = "input"
    PARAMETERS = "parameters"
    METADATA = "metadata"
    RESULT = "result"
    FILE = "file"
    ERROR = "error"


class SealedPlace(Protocol):
    """The place of a sealed payload, and the bytes of it that are authenticated."""

    @property
    def column(self) -> Column: ...  # noqa: D102
    @property
    def bound(self) -> bytes: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a payload; `job` is the job that ran, because its followers hold copies of its result."""

    job: UUID
    column: Column

    @property
    def bound(self) -> bytes:
        """Return the bytes that are authenticated beside the payload; a job's id has a fixed length."""
        return b"payload/1/" + self.job.bytes + self.column.value.encode()


@dataclass(frozen=True, slots=True)
class Keyring:
    """AES keys of 32 bytes by name: the first one encrypts, every one decrypts."""

    keys: Mapping[str, bytes] = field(repr=False)

    @property
    def encoding(self) -> str:
        """Return the `encoding` of payloads that are sealed now; EncryptionUnavailableError without a key."""
        return SEALED + self._first

    def require(self) -> None:
        """Raise EncryptionUnavailableError if there is no key."""
        _ = self._first

    @property
    def _first(self) -> str:
        for name in self.keys:
            return name
        raise EncryptionUnavailableError

    def seal(self, plain: bytes, *, place: SealedPlace, nonce: bytes) -> bytes:
        """Return `plain` sealed under the first key; a `nonce` of 12 bytes must never be used twice."""
        return nonce + AESGCM(self.keys[self._first]).encrypt(nonce, plain, place.bound)

    def unseal(self, stored: bytes, *, encoding: str, place: SealedPlace) -> bytes:
        """Return the plain bytes; `stored` itself if its encoding is plain.

        PayloadKeyMissingError if the key is missing; PayloadUnreadableError if the bytes were not sealed for
        this place.
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
