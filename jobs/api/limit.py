"""Refuse a body over the limit at its limit, before an application that reads bodies whole."""

from __future__ import annotations

from django.conf import settings

from jobs.api.asgi import App, Call, Message, Receive
from jobs.api.body import check_length
from jobs.core.errors import BodyTooLargeError, PlatformError

BULK = "/api/v1/jobs/bulk"


async def serve_within_limit(app: App, call: Call) -> None:
    """Serve a call through `app`, or answer 413."""
    config = settings.INFERENCE
    limit = config.max_bulk_body_bytes if call.scope["path"] == BULK else config.max_body_bytes
    try:
        check_length(call.headers.get(b"content-length", ""), limit)
        await app(call.scope, _counted(call.receive, limit), call.send)
    except PlatformError as error:
        await call.refuse(error)


def _counted(receive: Receive, limit: int) -> Receive:
    left = limit

    async def counted() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise BodyTooLargeError(f"the body is larger than {limit} bytes")
        return message

    return counted
