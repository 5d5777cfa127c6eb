"""Refuse a body at its limit, or one that is too slow, before an application that reads bodies whole."""

from __future__ import annotations

import asyncio
from time import monotonic

from django.conf import settings

from jobs.api.asgi import App, Call, Message, Receive
from jobs.api.body import SLOWEST_BYTES_PER_S, check_encoding, check_length
from jobs.core.errors import BodyTooLargeError, PlatformError, SlowBodyError

BULK, UPLOADS = "/api/v1/jobs/bulk", "/api/v1/uploads"


async def serve_within_limit(app: App, call: Call) -> None:
    """Serve a call through `app`, or answer 408, 413 or 415."""
    limit = _limit(call)
    try:
        check_encoding(call.headers.get(b"content-encoding", ""))
        check_length(call.headers.get(b"content-length", ""), limit)
        await app(call.scope, _counted(call.receive, limit), call.send)
    except PlatformError as error:
        await call.refuse(error)


def _limit(call: Call) -> int:
    config = settings.INFERENCE
    if call.scope["path"] == BULK:
        return config.max_bulk_body_bytes
    if call.scope["path"] == UPLOADS:
        return config.max_upload_bytes
    files = call.headers.get(b"content-type", "").lower().startswith("multipart/form-data")
    return config.max_body_bytes + (config.max_upload_bytes if files else 0)


def _counted(receive: Receive, limit: int) -> Receive:
    size, whole, began = 0, False, monotonic()

    async def counted() -> Message:
        nonlocal size, whole
        if whole:
            return await receive()  # what comes now is the client's going, whenever that may be
        patience_s = settings.INFERENCE.body_patience_s
        left_s = patience_s + size / SLOWEST_BYTES_PER_S - (monotonic() - began)
        try:
            message = await asyncio.wait_for(receive(), max(left_s, 0.0))
        except TimeoutError:
            raise SlowBodyError from None
        size += len(message.get("body", b""))
        whole = not message.get("more_body", False)
        if size > limit:
            raise BodyTooLargeError(f"the body is larger than {limit} bytes")
        return message

    return counted
