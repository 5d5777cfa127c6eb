"""The ASGI application: calls that wait, on the event loop; every other call through Django."""

from __future__ import annotations

import re
from contextlib import suppress
from uuid import UUID

from django.conf import settings

from jobs.api.asgi import App, Call, ClientGoneError, Receive, Scope, Send
from jobs.api.follow import answer_events
from jobs.api.hub import Hub
from jobs.api.limit import serve_within_limit
from jobs.api.long_poll import answer_job

_JOB = re.compile(
    r"/api/v1/jobs/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(/events)?", re.ASCII
)  # fmt: skip


class StreamApp:
    """Serves waiting calls itself, holding neither a thread nor a connection for one."""

    def __init__(self, django: App, hub: Hub | None = None) -> None:
        """Stand before Django's own ASGI application."""
        self._django = django
        self._hub = hub

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection of the ASGI protocol."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] != "http":
            await self._django(scope, receive, send)
        elif scope["method"] == "GET" and (asked := _JOB.fullmatch(scope["path"])):
            await self._answer(UUID(asked[1]), Call(scope, receive, send), events=bool(asked[2]))
        else:
            await serve_within_limit(self._django, Call(scope, receive, send))

    @property
    def hub(self) -> Hub:
        """Return the hub, made on the event loop that serves."""
        self._hub = self._hub or Hub(settings.INFERENCE.database_url)
        return self._hub

    async def _live(self, receive: Receive, send: Send) -> None:
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{message['type']}.complete"})
        if self._hub is not None:
            await self._hub.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, job_id: UUID, call: Call, *, events: bool) -> None:
        with suppress(ClientGoneError):
            try:
                await (answer_events if events else answer_job)(job_id, call, self.hub)
            except ClientGoneError:
                raise
            except Exception as error:  # noqa: BLE001  # the last frame before the server: nothing may pass
                await call.refuse(error)
