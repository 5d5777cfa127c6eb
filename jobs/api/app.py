"""The ASGI application of both servers: plain submits and calls that wait run on the event loop.

All others run on threads, through Django.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from time import perf_counter
from uuid import UUID

from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocketClose

from jobs import tracing
from jobs.api.access_log import is_kept, note_access
from jobs.api.http.asgi_call import Call, ClientGoneError
from jobs.api.http.body_limits import SUBMIT
from jobs.api.http.doorkeeper import Doorkeeper
from jobs.api.http.https_only import https_location
from jobs.api.http.middleware import route_of
from jobs.api.http.request_stream import Inflow
from jobs.api.http.wsgi_threads import Handler, Threads
from jobs.api.operations.reading_stream import READINGS, ReadingStreams
from jobs.api.plain.road import PlainRoad
from jobs.api.streaming.follow import answer_events
from jobs.api.streaming.hub import Hub
from jobs.api.streaming.long_poll import answer_job, answer_once_ended
from jobs.api.streaming.rollout_follow import answer_rollout_events
from jobs.api.streaming.submit_stream import answer_submits
from jobs.core.log_context import about
from jobs.services.access.refusals import RefusalWriter
from jobs.tracing import call_traces, trace_switch


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
STREAM = "/api/v1/jobs/stream"
JOB = "/api/v1/jobs/{job_id:job_id}"
ROLLOUT_EVENTS = "/api/v1/rollouts/{rollout_id:int}/events"
_CONVERTED = re.compile(r":\w+}")
Road = Callable[[Call, Inflow], Awaitable[bool]]


class Server:
    """Serves calls that wait itself, without a thread or a database connection for each."""

    def __init__(self, handler: Handler) -> None:
        """Prepare to pass other calls to Django's WSGI handler."""
        self._threads = Threads(handler)
        self._door = Doorkeeper(self._threads.run)
        self._hub: Hub | None = None
        self._plain = PlainRoad(lambda: self.hub)
        self._readings = ReadingStreams()
        self._router = Router(
            routes=[
                _route(STREAM, self._submits),
                _route(SUBMIT, self._submit),
                _route(f"{JOB}/events", self._events),
                _route(JOB, self._job),
                _route(ROLLOUT_EVENTS, self._rollout_events),
                _route(READINGS, self._watch),
            ],
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
        trace_switch.start("web")
        yield
        await asyncio.to_thread(trace_switch.stop)
        await asyncio.to_thread(writer.stop)
        await self._plain.close()
        if self._hub is not None:
            await self._hub.stop()

    async def _events(self, call: Call) -> None:
        if call.request.method != "GET":
            await self._other(call)
        elif await self._received(call):
            await answer_events(call.request.path_params["job_id"], call, self.hub)

    async def _rollout_events(self, call: Call) -> None:
        if call.request.method != "GET":
            await self._other(call)
        elif await self._received(call):
            await answer_rollout_events(call.request.path_params["rollout_id"], call, self.hub)

    async def _job(self, call: Call) -> None:
        if call.request.method != "GET" or not call.request.query_params.get("wait"):
            await self._other(call)
        elif await self._received(call):
            await answer_job(call.request.path_params["job_id"], call, self.hub)

    async def _submit(self, call: Call) -> None:
        is_submit = call.request.method == "POST" and call.request.scope["path"] == SUBMIT
        await self._other(call, by=self._plain.answers if is_submit else None)

    async def _watch(self, call: Call) -> None:
        """Let Django say whether the call's session may watch the platform, and send the readings."""
        if call.request.method != "GET":
            await self._other(call)
            return
        inflow = Inflow(call)
        try:
            if not await self._let_in(call, inflow):
                return
            permit = await self._threads.answer(call, inflow)
        finally:
            inflow.close()
        await self._readings.answer(call, permit)

    async def _submits(self, call: Call) -> None:
        if call.request.method != "POST":
            await self._other(call)
        else:
            await answer_submits(call, self.hub, self._threads, self._door)

    async def _received(self, call: Call) -> bool:
        """Receive and drop the body of a call that waits; return whether the call may wait."""
        inflow = Inflow(call)
        try:
            return await self._let_in(call, inflow)
        finally:
            inflow.close()

    async def _other(self, call: Call, *, by: Road | None = None) -> None:
        """Answer a call by Django, unless `by` another road does it."""
        inflow = Inflow(call)
        try:
            if not await self._let_in(call, inflow):
                return
            if by is not None and await by(call, inflow):
                return
            answer = await self._threads.answer(call, inflow)
        finally:
            inflow.close()
        await answer_once_ended(answer, call, lambda: self.hub)

    async def _let_in(self, call: Call, inflow: Inflow) -> bool:
        """Receive the body of a call, or refuse it; return whether it came."""
        try:
            self._threads.admit(call)
            await self._door.receive(call, inflow)
        except ClientGoneError:
            raise
        except Exception as error:  # noqa: BLE001  # a problem for the client, whatever it is
            inflow.close()  # the client may take its time to go
            await call.refuse(error)
            await self._door.see_off(inflow, error)
            return False
        return True


def _route(path: str, answer: Callable[[Call], Awaitable[None]]) -> Route:
    return Route(path, CallEndpoint(answer, _CONVERTED.sub("}", path)))


class CallEndpoint:
    """One kind of calls as an ASGI application: every error of `answer` becomes a problem."""

    def __init__(self, answer: Callable[[Call], Awaitable[None]], route: str | None = None) -> None:
        """Prepare to answer by `answer`; the access log names `route`, or Django's."""
        self._answer, self._route = answer, route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call, whose log lines carry its id, and log that it is over."""
        began = perf_counter()
        call = Call(Request(scope, receive), send)
        call.record.route, call.record.job = self._route, scope.get("path_params", {}).get("job_id")
        with about(**call.log_ids):
            try:
                await self._traced(call)
            finally:
                if is_kept():
                    call.record.route = call.record.route or route_of(scope["path"])
                    seconds = perf_counter() - began
                    note_access(call.record, method=scope["method"], status=call.status, seconds=seconds)

    async def _traced(self, call: Call) -> None:
        """Answer a call, with its spans where it is traced."""
        scope = call.request.scope
        if not tracing.on or scope["method"] != "POST":
            return await self._end(call)
        headers = call.request.headers
        states = ",".join(headers.getlist("tracestate"))
        trace = call_traces.begin("POST", scope["path"], scope["scheme"], headers.get("traceparent"), states)
        try:
            await self._end(call)
        finally:
            if trace is not None:
                trace.end(call.status or 0)

    async def _end(self, call: Call) -> None:
        """Answer a call; nothing is sent to a client that is gone."""
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
