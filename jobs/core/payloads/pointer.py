"""The claim check of a payload: a pointer in the row instead of bytes that lie in the storage. Pure.

A body that is over the limit, or that refers to files, is stored as an object; the row then holds a pointer
to it. A pointer begins with a mark that no JSON begins with. So rows can be copied for followers and cache
hits without a look at their kind. Clients and models cannot forge a pointer, because everything that they
send is stored as canonical JSON.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

import msgspec

from jobs.core.errors import PayloadCorruptError
from jobs.core.payloads.keyring import PLAIN

MARK = b"\x00claim\x00"
POINTER_BYTES = 32_768  # no pointer is longer, so a row's first bytes are enough to read it


class StoredPayload(msgspec.Struct, frozen=True, omit_defaults=True):
    """An object in the storage: its name, its size in bytes and its SHA-256 in hex.

    `encoding` says which key wraps the `key` of a sealed file; the encoding of a body stands in its row.
    """

    name: str
    size: int
    sha256: str
    content_type: str = "application/json"
    encoding: str = PLAIN
    key: bytes = b""


class PayloadPointer(StoredPayload, frozen=True, omit_defaults=True):
    """The object of a body, and the files that it refers to."""

    files: tuple[StoredPayload, ...] = ()


_POINTER = msgspec.json.Decoder(PayloadPointer)


def is_pointer(body: bytes) -> bool:
    """Return whether a row's bytes are a pointer."""
    return body[: len(MARK)] == MARK


def pointer_bytes(body: StoredPayload, files: Iterable[StoredPayload] = ()) -> bytes:
    """Return the pointer that a row holds instead of `body`."""
    pointer = PayloadPointer(body.name, body.size, body.sha256, body.content_type, files=tuple(files))
    return MARK + msgspec.json.encode(pointer)


def pointer_of(body: bytes) -> PayloadPointer:
    """Return the pointer in a row's bytes; PayloadCorruptError if it cannot be decoded."""
    try:
        return _POINTER.decode(body[len(MARK) :])
    except msgspec.MsgspecError as error:
        raise PayloadCorruptError(f"The row's pointer cannot be read: {error}") from None


def files_of(body: bytes) -> tuple[StoredPayload, ...]:
    """Return the files that an input refers to; a row's first POINTER_BYTES are enough."""
    return pointer_of(body).files if is_pointer(body) else ()


def names_of(body: bytes) -> tuple[str, ...]:
    """Return the names of all objects that a row needs."""
    if not is_pointer(body):
        return ()
    pointer = pointer_of(body)
    return tuple(name for name in (pointer.name, *(file.name for file in pointer.files)) if name)


def sha256_of(body: bytes) -> str:
    """Return the SHA-256, in hex, of the payload of a row."""
    return pointer_of(body).sha256 if is_pointer(body) else sha256(body).hexdigest()


def check(stored: StoredPayload, body: bytes) -> bytes:
    """Return `body`; PayloadCorruptError if it differs from the stored bytes."""
    check_digest(stored, len(body), sha256(body).hexdigest())
    return body


def check_digest(stored: StoredPayload, size: int, digest: str) -> None:
    """Raise PayloadCorruptError if size or SHA-256 differ from those of the stored bytes."""
    if (size, digest) != (stored.size, stored.sha256):
        raise PayloadCorruptError(
            f"The object {stored.name} holds {size} bytes with the SHA-256 {digest[:12]}…;"
            f" {stored.size} with {stored.sha256[:12]}… were stored."
        )
