"""Read a request's body ourselves: at most as much as the call allows, and without decompression.

`request_stream` sees to it that the body arrives in time.
"""

from __future__ import annotations

from typing import BinaryIO

from django.http import HttpRequest

from jobs.core.errors import BodyTooLargeError, EncodedBodyError, MalformedRequestError

PIECE_BYTES = 65_536


def read_body(request: HttpRequest, *, limit_bytes: int) -> bytes:
    """Return the body; the errors of `RequestBody`."""
    body = RequestBody(request, limit_bytes=limit_bytes)
    pieces = iter(lambda: body.read(PIECE_BYTES), b"")
    first = next(pieces, b"")
    return first if body.is_complete else b"".join((first, *pieces))


class RequestBody:
    """A body as a stream, refused by its headers before any read, or once it proves too large or too short.

    BodyTooLargeError, EncodedBodyError, MalformedRequestError; SlowBodyError comes from `request_stream`.
    """

    def __init__(self, request: HttpRequest, *, limit_bytes: int) -> None:
        """Check the headers, and prepare to read."""
        length = request.META.get("CONTENT_LENGTH")
        check_encoding(request.META.get("HTTP_CONTENT_ENCODING", ""))
        check_length(length, limit_bytes)
        self._limit, self._length = limit_bytes, int(length) if length else None
        self._read, self.size = _source(request, length).read, 0

    @property
    def is_complete(self) -> bool:
        """Return whether all of the Content-Length was read."""
        return self.size == self._length

    def read(self, size: int = PIECE_BYTES) -> bytes:
        """Return up to `size` bytes, none at the end."""
        if self.is_complete:
            return b""
        try:
            piece = self._read(size)
        except OSError as error:
            raise MalformedRequestError("the body ended early") from error
        self.size += len(piece)
        if self.size > self._limit:
            raise BodyTooLargeError(_too_large(self._limit))
        if len(piece) < size and self._length is not None and self.size < self._length:
            raise MalformedRequestError("the body ended early")
        return piece

    def drain(self) -> None:
        """Read and drop the rest, so that the connection can carry another request; the errors of `read`."""
        while self.read():
            pass


def check_encoding(encoding: str) -> None:
    """Refuse a Content-Encoding: without decompression no small body becomes a large one."""
    if encoding.strip().lower() not in {"", "identity"}:
        raise EncodedBodyError


def check_length(length: str | None, limit_bytes: int) -> None:
    """Refuse a Content-Length above `limit_bytes`, or one that is not a number."""
    if not length:
        return
    if not (length.isascii() and length.isdigit()):
        raise MalformedRequestError("the Content-Length is not a number")
    if len(length) > 18 or int(length) > limit_bytes:  # noqa: PLR2004  # more digits than any limit has
        raise BodyTooLargeError(_too_large(limit_bytes))


def _source(request: HttpRequest, length: str | None) -> BinaryIO:
    """Return the stream to read: WSGI's own for a body without a length, which Django takes for empty."""
    chunked = "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "").lower()
    framed = not request.META.get("SERVER_PROTOCOL", "HTTP/1").startswith("HTTP/1")
    if not length and (chunked or framed) and "wsgi.input" in request.META:
        return request.META["wsgi.input"]  # type: ignore[no-any-return]  # WSGI types its stream as anything
    return request  # type: ignore[return-value]  # it reads like a file


def _too_large(limit_bytes: int) -> str:
    return f"the body is larger than {limit_bytes} bytes"
