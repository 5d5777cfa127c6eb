"""A file sealed piece by piece, so that it never lies whole in memory. Pure.

It is a salt of 16 bytes and then its pieces, each sealed as a payload is: nonce, ciphertext, tag. A piece is
bound to the salt, to its number and to whether it is the last, so none can be left out, moved, cut off or
taken from another file. Which file a job was given is told by a SHA-256 in its input, sealed for that job.
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
    """A piece's place: in the file with that salt, at that number."""

    salt: bytes
    number: int
    last: bool
    column: Column = Column.FILE

    @property
    def bound(self) -> bytes:
        """Return what is authenticated beside the piece; every part of it is of one length."""
        return b"file/1/" + self.salt + self.number.to_bytes(8, "big") + bytes([self.last])


def sealed_pieces(read: Read, *, seal: Change, salt: bytes) -> Iterator[bytes]:
    """Yield the sealed file of what `read` gives; a `salt` of 16 bytes is used once and never again."""
    yield salt
    yield from _changed(read, PIECE_BYTES, seal, salt)


def unsealed_pieces(read: Read, *, unseal: Change) -> Iterator[bytes]:
    """Yield what was sealed; what `unseal` raises, where it is not that, or not all of it."""
    yield from _changed(read, SEALED_PIECE_BYTES, unseal, exactly(read, SALT_BYTES))


def exactly(read: Read, size: int) -> bytes:
    """Return `size` bytes, fewer only at the end: one `read` may give fewer than it has."""
    piece = read(size)
    while piece and len(piece) < size and (more := read(size - len(piece))):
        piece += more
    return piece


class Flow:
    """Reads like a file what an iterator yields."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        """Begin with nothing read."""
        self._pieces, self._left = pieces, b""

    def read(self, size: int) -> bytes:
        """Return `size` bytes, fewer only at the end."""
        while len(self._left) < size and (piece := next(self._pieces, b"")):
            self._left += piece
        taken, self._left = self._left[:size], self._left[size:]
        return taken


def _changed(read: Read, size: int, change: Change, salt: bytes) -> Iterator[bytes]:
    piece, number = exactly(read, size), 0
    while True:
        following = exactly(read, size)
        yield change(piece, SealedChunk(salt, number, last=not following))
        if not following:
            return
        piece, number = following, number + 1
