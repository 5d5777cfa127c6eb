"""A wrapping key encrypts data keys and nothing else; it may stay in a service that never shows it."""

from __future__ import annotations

from secrets import token_bytes
from typing import NamedTuple, Protocol

from jobs.core.payloads.job_keys import DataKeyName
from jobs.core.payloads.keyring import NONCE_BYTES, SEALED, Keyring


class WrappedDataKey(NamedTuple):
    """A data key as it is stored, and the name of the key that wrapped it."""

    wrapped: bytes
    wrapped_by: str


class WrappingKey(Protocol):
    """Wraps data keys; `kind` begins the names of its keys, and `name` is that of the key in use."""

    @property
    def kind(self) -> str: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102

    def wrap(self, key: bytes, place: DataKeyName) -> bytes:
        """Return `key` wrapped for its place; PayloadUnavailableError."""

    def unwrap(self, row: WrappedDataKey, place: DataKeyName) -> bytes:
        """Return a key; PayloadUnavailableError, PayloadKeyMissingError or PayloadUnreadableError."""


class NamedWrappingKeys:
    """The keys of PAYLOAD_KEYS: the first wraps, all unwrap."""

    kind = SEALED

    def __init__(self, ring: Keyring) -> None:
        """Use the keys of `ring`."""
        self._ring = ring

    @property
    def name(self) -> str:
        """Return the name of the first key; EncryptionUnavailableError without one."""
        return self._ring.encoding

    def wrap(self, key: bytes, place: DataKeyName) -> bytes:
        """Return `key` wrapped under the first key."""
        return self._ring.seal(key, place=place, nonce=token_bytes(NONCE_BYTES))

    def unwrap(self, row: WrappedDataKey, place: DataKeyName) -> bytes:
        """Return a key that one of the ring wrapped."""
        return self._ring.unseal(row.wrapped, encoding=row.wrapped_by, place=place)
