"""Read a request's body ourselves, never more of it than the call takes."""

from __future__ import annotations

from typing import BinaryIO

from django.http import HttpRequest

from jobs.core.errors import BodyTooLargeError, MalformedRequestError


def read_body(request: HttpRequest, *, limit_bytes: int) -> bytes:
    """Return the body; BodyTooLargeError by its Content-Length, unread, or once it proves too large."""
    length = request.META.get("CONTENT_LENGTH")
    check_length(length, limit_bytes)
    try:
        body = _source(request, length).read(limit_bytes + 1)
    except OSError as error:
        raise MalformedRequestError("the body ended early") from error
    if len(body) > limit_bytes:
        raise BodyTooLargeError(_too_large(limit_bytes))
    return body


def check_length(length: str | None, limit_bytes: int) -> None:
    """Refuse a Content-Length above `limit_bytes`, or one that is no number."""
    if not length:
        return
    if not (length.isascii() and length.isdigit()):
        raise MalformedRequestError("the Content-Length is not a number")
    if len(length) > 18 or int(length) > limit_bytes:  # noqa: PLR2004  # more digits than any limit has
        raise BodyTooLargeError(_too_large(limit_bytes))


def _source(request: HttpRequest, length: str | None) -> BinaryIO:
    """Return the stream to read: WSGI's own where the length is unknown, which Django takes for empty."""
    chunked = "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "").lower()
    if not length and chunked and "wsgi.input" in request.META:
        return request.META["wsgi.input"]  # type: ignore[no-any-return]  # WSGI types its stream as anything
    return request  # type: ignore[return-value]  # it reads like a file


def _too_large(limit_bytes: int) -> str:
    return f"the body is larger than {limit_bytes} bytes"
