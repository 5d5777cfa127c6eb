"""The ASGI application of both servers: calls that wait run on the event loop, all others on threads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from uuid import UUID

from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocketClose

from jobs.api.http.asgi_call import Call, ClientGoneError
from jobs.api.http.https_only import https_location
from jobs.api.http.request_stream import Inflow
from jobs.api.http.wsgi_threads import Handler, Threads
from jobs.api.streaming.follow import answer_events
from jobs.api.streaming.hub import Hub
from jobs.api.streaming.long_poll import answer_job, answer_once_ended
from jobs.services.access.refusals import RefusalWriter


class JobIdConvertor(Convertor[UUID]):
    """A job's id as Django's own routes take it: in lower case, with dashes."""

    regex = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"

    def convert(self, value: str) -> UUID:
        """Return the id of a path's text."""
        return UUID(value)

    def to_string(self, value: UUID) -> str:
        """Return the text of an id."""
        return str(value)


register_url_convertor("job_id", JobIdConvertor())
JOB = "/api/v1/jobs/{job_id:job_id}"


class Server:
    """Serves calls that wait itself, without a thread or a database connection for each."""

    def __init__(self, handler: Handler) -> None:
        """Prepare to pass other calls to Django's WSGI handler."""
        self._threads = Threads(handler)
        self._hub: Hub | None = None
        self._router = Router(
            routes=[Route(f"{JOB}/events", CallEndpoint(self._events)), Route(JOB, CallEndpoint(self._job))],
            default=CallEndpoint(self._other),
            redirect_slashes=False,
            lifespan=self._lifespan,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection of the ASGI protocol; a WebSocket is closed: the API has none."""
        if scope["type"] == "websocket":
            await WebSocketClose()(scope, receive, send)
        else:
            await self._router(scope, receive, send)

    @property
    def hub(self) -> Hub:
        """Return the hub, created at the first use on the serving event loop."""
        self._hub = self._hub or Hub()
        return self._hub

    @asynccontextmanager
    async def _lifespan(self, _router: Router) -> AsyncIterator[None]:
        writer = RefusalWriter()
        writer.start()
        yield
        await asyncio.to_thread(writer.stop)
        if self._hub is not None:
            await self._hub.stop()

    async def _events(self, call: Call) -> None:
        if call.request.method == "GET":
            await answer_events(call.request.path_params["job_id"], call, self.hub)
        else:
            await self._other(call)

    async def _job(self, call: Call) -> None:
        if call.request.method == "GET" and call.request.query_params.get("wait"):
            await answer_job(call.request.path_params["job_id"], call, self.hub)
        else:
            await self._other(call)

    async def _other(self, call: Call) -> None:
        inflow = Inflow(call)
        await answer_once_ended(await self._threads.answer(call, inflow), call, lambda: self.hub)
        await inflow.linger()


class CallEndpoint:
    """One kind of calls as an ASGI application: every error of `answer` becomes a problem."""

    def __init__(self, answer: Callable[[Call], Awaitable[None]]) -> None:
        """Prepare to answer by `answer`."""
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call; nothing is sent to a client that is gone."""
        call = Call(Request(scope, receive), send)
        with suppress(ClientGoneError):
            try:
                if location := https_location(call.request):
                    await call.answer(308, b"", {"Location": location})  # it keeps the method
                    return
                await self._answer(call)
            except ClientGoneError:
                raise
            except Exception as error:  # noqa: BLE001  # the outermost frame of ours: no error may reach the server
                await call.refuse(error)
