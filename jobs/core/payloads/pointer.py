"""Claim check: what stands in a row for bytes that lie in the storage. Pure.

A body that is over the limit, or that refers to files, is stored as an object; the row's own bytes become a
pointer to it. A pointer begins with a mark that no JSON begins with, so a row says by itself what it holds:
rows are copied for followers and cache hits as they are, and no statement has to know. Nobody outside can
write one, for whatever clients and models send is stored as canonical JSON.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

import msgspec

from jobs.core.errors import PayloadCorruptError
from jobs.core.payloads.keyring import PLAIN

MARK = b"\x00claim\x00"
POINTER_BYTES = 32_768  # more than any pointer has: so much of a row is enough to know


class StoredPayload(msgspec.Struct, frozen=True, omit_defaults=True):
    """An object in the storage: its name there, its bytes and their SHA-256 in hex.

    `encoding` says how a file is sealed; how a body is, its row says.
    """

    name: str
    size: int
    sha256: str
    content_type: str = "application/json"
    encoding: str = PLAIN


class PayloadPointer(StoredPayload, frozen=True, omit_defaults=True):
    """Where a body lies, and the files that it refers to; `before` are the objects that these replace."""

    files: tuple[StoredPayload, ...] = ()
    before: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """Return the names of all objects that the row needs."""
        return [self.name, *(file.name for file in self.files)]


_POINTER = msgspec.json.Decoder(PayloadPointer)


def is_pointer(body: bytes) -> bool:
    """Say whether a row's bytes stand for others."""
    return body[: len(MARK)] == MARK


def pointer_bytes(
    body: StoredPayload, files: Iterable[StoredPayload] = (), before: Iterable[str] = ()
) -> bytes:
    """Return what a row holds in place of `body`."""
    pointer = PayloadPointer(body.name, body.size, body.sha256, files=tuple(files), before=tuple(before))
    return MARK + msgspec.json.encode(pointer)


def pointer_of(body: bytes) -> PayloadPointer:
    """Read a row's bytes that `is_pointer` says yes to; PayloadCorruptError where they are none."""
    try:
        return _POINTER.decode(body[len(MARK) :])
    except msgspec.MsgspecError as error:
        raise PayloadCorruptError(f"The row's pointer cannot be read: {error}") from None


def files_of(body: bytes) -> tuple[StoredPayload, ...]:
    """Return the files that an input refers to, of a row's first POINTER_BYTES."""
    return pointer_of(body).files if is_pointer(body) else ()


def names_of(body: bytes) -> tuple[str, ...]:
    """Return the names of all objects that a row needs."""
    return tuple(pointer_of(body).names) if is_pointer(body) else ()


def sha256_of(body: bytes) -> str:
    """Return the SHA-256, in hex, of what a row's bytes stand for."""
    return pointer_of(body).sha256 if is_pointer(body) else sha256(body).hexdigest()


def check(stored: StoredPayload, body: bytes) -> bytes:
    """Return `body` if it is what was stored, or PayloadCorruptError."""
    check_digest(stored, len(body), sha256(body).hexdigest())
    return body


def check_digest(stored: StoredPayload, size: int, digest: str) -> None:
    """Refuse bytes of another length or SHA-256 than those that were stored: PayloadCorruptError."""
    if (size, digest) != (stored.size, stored.sha256):
        raise PayloadCorruptError(
            f"The object {stored.name} holds {size} bytes with the SHA-256 {digest[:12]}…;"
            f" {stored.size} with {stored.sha256[:12]}… were stored."
        )
