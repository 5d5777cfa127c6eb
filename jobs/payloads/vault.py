"""The vault: encryption and keyed digests with this process's keys; no other module reads the keys.

It stands directly above the core, because submits, reads, the worker and the admin all need it. `seal` and
`unseal` take bytes and a place but no row, so that large payloads can be sealed before they are stored.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from secrets import token_bytes
from typing import Any

from django.conf import settings

from jobs.core.payloads import keyed_digest
from jobs.core.payloads.keyring import NONCE_BYTES, Keyring, Place, SealedPlace
from jobs.core.payloads.sealed_file import SALT_BYTES, Read, sealed_pieces, unsealed_pieces


def keyring() -> Keyring:
    """Return the encryption keys of payloads."""
    return _keyring(settings.INFERENCE.payload_keys)


def seal(plain: bytes, place: SealedPlace) -> bytes:
    """Return `plain` sealed under the first key, whose name is `keyring().encoding`."""
    return keyring().seal(plain, place=place, nonce=token_bytes(NONCE_BYTES))


def unseal(stored: bytes, encoding: str, place: Place) -> bytes:
    """Return a stored payload decrypted; PayloadUnreadableError."""
    return keyring().unseal(bytes(stored), encoding=encoding, place=place)


def sealed_file(read: Read) -> Iterator[bytes]:
    """Yield the file that `read` gives, sealed under the first key."""
    return sealed_pieces(read, seal=seal, salt=token_bytes(SALT_BYTES))


def unsealed_file(read: Read, encoding: str) -> Iterator[bytes]:
    """Yield the decrypted file; PayloadUnreadableError, at the latest at its end."""
    ring = keyring()
    return unsealed_pieces(
        read, unseal=lambda piece, place: ring.unseal(piece, encoding=encoding, place=place)
    )


def digest(purpose: str, body: bytes) -> bytes:
    """Return a keyed digest of 32 bytes, which differs for each purpose."""
    return keyed_digest.keyed(_key(purpose), body)


def token(value: Any) -> str:
    """Return the token that replaces a JSON value where people may see it."""
    return keyed_digest.token_of(_key("token"), value)


def parameters_digest(parameters: bytes | None) -> int:
    """Return a keyed digest of 28 bits, which reveals only whether parameters are equal."""
    return keyed_digest.parameters_digest_of(_key("variant"), parameters)


def _key(purpose: str) -> bytes:
    config = settings.INFERENCE
    # Django refuses an empty SECRET_KEY at its first use: no token is made of a key that everybody knows.
    return _derived(config.pii_key or (config.secret_key or settings.SECRET_KEY).encode(), purpose)


@lru_cache(maxsize=64)
def _derived(root: bytes, purpose: str) -> bytes:
    return keyed_digest.derived(root, purpose)


@lru_cache(maxsize=8)
def _keyring(keys: tuple[tuple[str, bytes], ...]) -> Keyring:
    return Keyring(dict(keys))
