"""Encryption at rest: AES-256-GCM, bound to the place of what is sealed.

What is sealed is nonce (12 bytes), ciphertext and tag (16 bytes). The place is authenticated: bytes that are
moved elsewhere are unreadable. Nonces are random, which is safe because each job, file and month of a client
has a key of its own. The named keys of a `Keyring` wrap only the clients' data keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

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
    MESSAGE = "message"
    KEY = "key"


class SealedPlace(Protocol):
    """The place of a sealed payload, and the bytes of it that are authenticated."""

    @property
    def column(self) -> Column: ...  # noqa: D102
    @property
    def bound(self) -> bytes: ...  # noqa: D102


def sealed(plain: bytes, *, key: bytes, place: SealedPlace, nonce: bytes) -> bytes:
    """Return `plain` sealed under `key`; a `nonce` of 12 bytes must never be used twice."""
    return nonce + AESGCM(key).encrypt(nonce, plain, place.bound)


def unsealed(stored: bytes, *, key: bytes, place: SealedPlace) -> bytes:
    """Return the plain bytes; PayloadUnreadableError if they were not sealed under `key` for this place."""
    try:
        return AESGCM(key).decrypt(stored[:NONCE_BYTES], stored[NONCE_BYTES:], place.bound)
    except (InvalidTag, ValueError):
        raise PayloadUnreadableError(f"The {place.column} is not what was sealed here.") from None


@dataclass(frozen=True, slots=True)
class Keyring:
    """AES keys of 32 bytes by name: the first one encrypts, every one decrypts."""

    keys: Mapping[str, bytes] = field(repr=False)

    @property
    def encoding(self) -> str:
        """Return the name of what seals now; EncryptionUnavailableError without a key."""
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
        """Return `plain` sealed under the first key."""
        return sealed(plain, key=self.keys[self._first], place=place, nonce=nonce)

    def unseal(self, stored: bytes, *, encoding: str, place: SealedPlace) -> bytes:
        """Return the plain bytes; PayloadKeyMissingError without the key, or PayloadUnreadableError."""
        key = self.keys.get(encoding.removeprefix(SEALED)) if encoding.startswith(SEALED) else None
        if key is None:
            raise PayloadKeyMissingError(
                f"The {place.column} is sealed by {encoding!r}: that key is not here."
            )
        return unsealed(stored, key=key, place=place)
