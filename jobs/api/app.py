"""The ASGI application of both servers: calls that wait run on the event loop, all others on threads."""

from __future__ import annotations

import re
from contextlib import suppress
from uuid import UUID

from django.conf import settings

from jobs.api.http.asgi_call import Call, ClientGoneError, Receive, Scope, Send
from jobs.api.http.wsgi_threads import Handler, Threads
from jobs.api.streaming.follow import answer_events
from jobs.api.streaming.hub import Hub
from jobs.api.streaming.long_poll import answer_job, answer_once_ended

_JOB = re.compile(
    r"/api/v1/jobs/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(/events)?", re.ASCII
)  # fmt: skip


class Server:
    """Serves calls that wait itself, without a thread or a database connection for each."""

    def __init__(self, handler: Handler) -> None:
        """Prepare to pass other calls to Django's WSGI handler."""
        self._threads = Threads(handler)
        self._hub: Hub | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection of the ASGI protocol."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._serve(Call(scope, receive, send))

    @property
    def hub(self) -> Hub:
        """Return the hub, created at the first use on the serving event loop."""
        self._hub = self._hub or Hub(settings.INFERENCE.database_url)
        return self._hub

    async def _live(self, receive: Receive, send: Send) -> None:
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{message['type']}.complete"})
        if self._hub is not None:
            await self._hub.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def _serve(self, call: Call) -> None:
        with suppress(ClientGoneError):
            try:
                await self._answer(call)
            except ClientGoneError:
                raise
            except Exception as error:  # noqa: BLE001  # the outermost frame of ours: no error may reach the server
                await call.refuse(error)

    async def _answer(self, call: Call) -> None:
        match = _JOB.fullmatch(call.scope["path"]) if call.scope["method"] == "GET" else None
        if match and match[2]:
            await answer_events(UUID(match[1]), call, self.hub)
        elif match and call.parameter("wait", ""):
            await answer_job(UUID(match[1]), call, self.hub)
        else:
            await answer_once_ended(await self._threads.answer(call), call, lambda: self.hub)
