"""Keyed digests: equal values have equal digests, which cannot be computed without the key. Pure."""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

TOKEN: Final = "pii:"  # noqa: S105  # no secret
TOKEN_DIGITS = 16
_ENCODER = msgspec.json.Encoder(order="deterministic")


def derived(root: bytes, purpose: str) -> bytes:
    """Return the key of 32 bytes that is derived from `root` for one purpose (HKDF, RFC 5869)."""
    return HKDF(SHA256(), 32, salt=None, info=f"inference/{purpose}".encode()).derive(root)


def keyed(key: bytes, body: bytes) -> bytes:
    """Return the HMAC-SHA-256 of `body`, 32 bytes."""
    return hmac.digest(key, body, sha256)


def token_of(key: bytes, value: Any) -> str:
    """Return the token that replaces a JSON value: `pii:` and 16 hexadecimal digits."""
    return TOKEN + keyed(key, _ENCODER.encode(value)).hex()[:TOKEN_DIGITS]


def parameters_digest_of(key: bytes, parameters: bytes | None) -> int:
    """Return a digest of 28 bits, equal for equal parameters; 0 if there are none."""
    return 0 if parameters is None else int(keyed(key, parameters).hex()[:7], 16)
