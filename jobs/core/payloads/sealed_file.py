"""Encryption of a file in chunks, so that it is never in memory as a whole. Pure.

A sealed file is a salt of 16 bytes and then its chunks, each sealed as a payload: nonce, ciphertext, tag. A
chunk is bound to the salt, to its number and to whether it is the last, so no chunk can be removed, moved,
cut or taken from another file. The input of a job, sealed for that job, holds the SHA-256 of its file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from jobs.core.payloads.keyring import NONCE_BYTES, TAG_BYTES, Column, SealedPlace

PIECE_BYTES, SALT_BYTES = 1_048_576, 16
SEALED_PIECE_BYTES: Final = NONCE_BYTES + PIECE_BYTES + TAG_BYTES
Read = Callable[[int], bytes]
Change = Callable[[bytes, SealedPlace], bytes]


@dataclass(frozen=True, slots=True)
class SealedChunk:
    """The place of a chunk: its number in the file with this salt."""

    salt: bytes
    number: int
    last: bool
    column: Column = Column.FILE

    @property
    def bound(self) -> bytes:
        """Return the bytes that are authenticated beside the chunk; each part of them has a fixed length."""
        return b"file/1/" + self.salt + self.number.to_bytes(8, "big") + bytes([self.last])


def sealed_pieces(read: Read, *, seal: Change, salt: bytes) -> Iterator[bytes]:
    """Yield the file that `read` gives, sealed; a `salt` of 16 bytes must never be used twice."""
    yield salt
    yield from _changed(read, PIECE_BYTES, seal, salt)


def unsealed_pieces(read: Read, *, unseal: Change) -> Iterator[bytes]:
    """Yield the plain file; the errors of `unseal` if it was changed or is incomplete."""
    yield from _changed(read, SEALED_PIECE_BYTES, unseal, exactly(read, SALT_BYTES))


def plain_size(sealed_size: int) -> int:
    """Return how many bytes a sealed file has in clear."""
    chunks = max(1, -(-(sealed_size - SALT_BYTES) // SEALED_PIECE_BYTES))
    return sealed_size - SALT_BYTES - chunks * (NONCE_BYTES + TAG_BYTES)


def exactly(read: Read, size: int) -> bytes:
    """Return `size` bytes, fewer only at the end, because one `read` may return fewer than it has."""
    piece = read(size)
    while piece and len(piece) < size and (more := read(size - len(piece))):
        piece += more
    return piece


class Flow:
    """Reads the pieces of an iterator like a file."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        """Begin with nothing read."""
        self._pieces, self._rest = pieces, b""

    def read(self, size: int) -> bytes:
        """Return `size` bytes, fewer only at the end."""
        while len(self._rest) < size and (piece := next(self._pieces, b"")):
            self._rest += piece
        part, self._rest = self._rest[:size], self._rest[size:]
        return part


def _changed(read: Read, size: int, change: Change, salt: bytes) -> Iterator[bytes]:
    piece, number = exactly(read, size), 0
    while True:
        following = exactly(read, size)
        yield change(piece, SealedChunk(salt, number, last=not following))
        if not following:
            return
        piece, number = following, number + 1
