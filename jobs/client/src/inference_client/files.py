"""Files as the body of a call: read in chunks, and again from the same position when the call is repeated."""

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
_FORBIDDEN = frozenset('"\\')

Source = bytes | str | PathLike[str] | BinaryIO


@dataclass(frozen=True, slots=True)
class File:
    """A file to send: bytes, a path, or an open binary file, which is sent from its current position.

    Its type decides what the model gets: text for `text/*`, the decoded value for JSON, else base64.
    """

    source: Source
    content_type: str = OCTETS

    def __post_init__(self) -> None:
        """Raise ValueError for a type that would break its header."""
        if not (self.content_type.isascii() and self.content_type.isprintable()):
            raise ValueError(f"{self.content_type!r} is no media type")


class Content:
    """An open file from its current position; `size` is None if it can be read only once."""

    def __init__(self, file: BinaryIO) -> None:
        """Measure the file."""
        self._file, self._start = file, 0
        self.size: int | None = None
        if file.seekable():
            self._start = file.tell()
            self.size = max(file.seek(0, io.SEEK_END) - self._start, 0)
            file.seek(self._start)

    def __iter__(self) -> Iterator[bytes]:
        """Yield the content from its start, at most the measured size."""
        if self.size is None:
            yield from iter(lambda: self._file.read(PIECE_BYTES), b"")
            return
        self._file.seek(self._start)
        remaining = self.size
        while remaining and (piece := self._file.read(min(remaining, PIECE_BYTES))):
            remaining -= len(piece)
            yield piece


class UploadBody:
    """The body of a call in pieces; each iteration yields the same."""

    def __init__(self, content_type: str, *pieces: bytes | Content) -> None:
        """Prepare to send the pieces in order."""
        self._type, self._pieces = content_type, pieces

    def __iter__(self) -> Iterator[bytes]:
        """Yield the whole body."""
        for piece in self._pieces:
            yield from (piece,) if isinstance(piece, bytes) else piece

    @property
    def size(self) -> int | None:
        """Return its size in bytes; None if a piece has no known size."""
        sizes = [len(piece) if isinstance(piece, bytes) else piece.size for piece in self._pieces]
        measured = [size for size in sizes if size is not None]
        return sum(measured) if len(measured) == len(sizes) else None

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers of the body."""
        length = {} if self.size is None else {"Content-Length": str(self.size)}
        return {"Content-Type": self._type, **length}


def part(name: str) -> dict[str, str]:
    """Return the reference to a file that `submit(…, files={name: …})` sends with the job."""
    return {"$part": name}


@contextmanager
def upload_body(file: File) -> Iterator[UploadBody]:
    """Open a file as the body of an upload."""
    with _content(file.source) as content:
        yield UploadBody(file.content_type, content)


@contextmanager
def form(job: bytes, files: Mapping[str, File | Source]) -> Iterator[UploadBody]:
    """Open a job with its files as one form; ValueError for a part's bad name or a file without a size."""
    border = uuid4().hex
    with ExitStack() as stack:
        pieces = list[bytes | Content]([_head(border, JOB, "application/json"), job])
        for name, source in files.items():
            file = source if isinstance(source, File) else File(source)
            head = _head(border, _checked(name), file.content_type, file=True)
            pieces += [b"\r\n", head, stack.enter_context(_content(file.source))]
        pieces.append(f"\r\n--{border}--\r\n".encode())
        body = UploadBody(f"multipart/form-data; boundary={border}", *pieces)
        if body.size is None:
            raise ValueError("a form needs its length: use `upload` for a file that cannot seek")
        yield body


@contextmanager
def _content(source: Source) -> Iterator[Content]:
    if isinstance(source, bytes):
        yield Content(io.BytesIO(source))
    elif isinstance(source, str | PathLike):
        with open(source, "rb") as file:  # noqa: PTH123  # any form of path
            yield Content(file)
    else:
        yield Content(_of_bytes(source))


def _of_bytes(source: Any) -> BinaryIO:
    """Return an open binary file; TypeError for a text file, because its size in bytes is unknown."""
    if isinstance(source, io.TextIOBase) or not hasattr(source, "read"):
        raise TypeError("a file must be bytes, a path, or open in binary mode, as by `open(path, 'rb')`")
    file: BinaryIO = source
    return file


def _head(border: str, name: str, content_type: str, *, file: bool = False) -> bytes:
    disposition = f'form-data; name="{name}"' + ('; filename="file"' if file else "")
    lines = (f"--{border}", f"Content-Disposition: {disposition}", f"Content-Type: {content_type}", "", "")
    return "\r\n".join(lines).encode()


def _checked(name: str) -> str:
    if not name.isprintable() or _FORBIDDEN & set(name) or name.strip() != name or name in {"", JOB}:
        raise ValueError(f"{name!r} is not a valid name for a file part")
    return name
