"""Files as a call's body: read piece by piece, and from the same place again when the call is repeated."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from os import PathLike
from typing import Any, BinaryIO
from uuid import uuid4

PIECE_BYTES = 65_536
OCTETS = "application/octet-stream"
JOB = "job"
_AMISS = frozenset('"\\')

Source = bytes | str | PathLike[str] | BinaryIO


@dataclass(frozen=True, slots=True)
class File:
    """A file to send: its bytes, its path, or the file itself, open for bytes and sent from where it stands.

    By its type a model is given it: text for `text/*`, the value for JSON, else its bytes in base64.
    """

    source: Source
    content_type: str = OCTETS

    def __post_init__(self) -> None:
        """Refuse a type that would break the header it goes into."""
        if not (self.content_type.isascii() and self.content_type.isprintable()):
            raise ValueError(f"{self.content_type!r} is no media type")


class Content:
    """What an open file holds from where it stands; `size` is None for what can be read only once."""

    def __init__(self, file: BinaryIO) -> None:
        """Measure the file."""
        self._file, self._start = file, 0
        self.size: int | None = None
        if file.seekable():
            self._start = file.tell()
            self.size = max(file.seek(0, io.SEEK_END) - self._start, 0)
            file.seek(self._start)

    def __iter__(self) -> Iterator[bytes]:
        """Yield the content from its start, and no more of it than was measured."""
        if self.size is None:
            yield from iter(lambda: self._file.read(PIECE_BYTES), b"")
            return
        self._file.seek(self._start)
        left = self.size
        while left and (piece := self._file.read(min(left, PIECE_BYTES))):
            left -= len(piece)
            yield piece


class UploadBody:
    """A call's body in pieces, the same each time that it is iterated over."""

    def __init__(self, content_type: str, *pieces: bytes | Content) -> None:
        """Prepare to send the pieces one after the other."""
        self._type, self._pieces = content_type, pieces

    def __iter__(self) -> Iterator[bytes]:
        """Yield all of it."""
        for piece in self._pieces:
            yield from (piece,) if isinstance(piece, bytes) else piece

    @property
    def size(self) -> int | None:
        """Return how many bytes it has; None where only reading tells."""
        sizes = [len(piece) if isinstance(piece, bytes) else piece.size for piece in self._pieces]
        known = [size for size in sizes if size is not None]
        return sum(known) if len(known) == len(sizes) else None

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers that go with it."""
        length = {} if self.size is None else {"Content-Length": str(self.size)}
        return {"Content-Type": self._type, **length}


def part(name: str) -> dict[str, str]:
    """Return what an input refers to a file by that `submit(…, files={name: …})` sends along."""
    return {"$part": name}


@contextmanager
def opened(file: File) -> Iterator[UploadBody]:
    """Give a file as the body of an upload."""
    with _content(file.source) as content:
        yield UploadBody(file.content_type, content)


@contextmanager
def form(job: bytes, files: Mapping[str, File | Source]) -> Iterator[UploadBody]:
    """Give a job and files as one form; ValueError for a name that a part cannot have, or an endless file."""
    border = uuid4().hex
    with ExitStack() as stack:
        pieces = list[bytes | Content]([_head(border, JOB, "application/json"), job])
        for name, given in files.items():
            file = given if isinstance(given, File) else File(given)
            head = _head(border, _checked(name), file.content_type, file=True)
            pieces += [b"\r\n", head, stack.enter_context(_content(file.source))]
        pieces.append(f"\r\n--{border}--\r\n".encode())
        body = UploadBody(f"multipart/form-data; boundary={border}", *pieces)
        if body.size is None:
            raise ValueError("a form tells its length ahead: a file that cannot seek goes by `upload`")
        yield body


@contextmanager
def _content(source: Source) -> Iterator[Content]:
    if isinstance(source, bytes):
        yield Content(io.BytesIO(source))
    elif isinstance(source, str | PathLike):
        with open(source, "rb") as file:  # noqa: PTH123  # a path in whatever form
            yield Content(file)
    else:
        yield Content(_of_bytes(source))


def _of_bytes(source: Any) -> BinaryIO:
    """Return an open file; TypeError for one that gives text, whose length in bytes nobody knows."""
    if isinstance(source, io.TextIOBase) or not hasattr(source, "read"):
        raise TypeError("a file is given as bytes, as a path, or open for bytes, as by `open(path, 'rb')`")
    file: BinaryIO = source
    return file


def _head(border: str, name: str, content_type: str, *, file: bool = False) -> bytes:
    named = f'form-data; name="{name}"' + ('; filename="file"' if file else "")
    lines = (f"--{border}", f"Content-Disposition: {named}", f"Content-Type: {content_type}", "", "")
    return "\r\n".join(lines).encode()


def _checked(name: str) -> str:
    if not name.isprintable() or _AMISS & set(name) or name.strip() != name or name in {"", JOB}:
        raise ValueError(f"{name!r} is no name for a file's part")
    return name
