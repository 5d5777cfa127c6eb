"""Django's own handler on a few threads, which suffice because its calls are short.

WSGI and not ASGI, because Django's ASGI handler serves only a half to a tenth of the requests. Each thread
keeps its database connection. Long calls have threads of their own, so that short ones never wait for them.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import unquote_to_bytes

from django.conf import settings

from jobs.api.http.asgi_call import AsgiResponse, Call, Headers
from jobs.api.http.body_limits import SMALL_BYTES, limit_of
from jobs.api.http.counted_calls import SCOPE
from jobs.api.http.doorkeeper import shares_of
from jobs.api.http.login_gate import LoginGate
from jobs.api.http.origin import BEGAN
from jobs.api.http.request_stream import Inflow
from jobs.api.http.thread_shares import ThreadShares
from jobs.api.prefer import WAIT_REQUEST, WaitRequest
from jobs.core.errors import BodyTooLargeError

LONG_PARTS = (0.5, 0.75)  # of the long threads: a client's, and an address's
Given = TypeVar("Given")
Result = TypeVar("Result")
Environ = dict[str, Any]
Handler = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

_BASE: Environ = {
    "SCRIPT_NAME": "",
    "wsgi.errors": sys.stderr,
    "wsgi.multiprocess": True,
    "wsgi.multithread": True,
    "wsgi.run_once": False,
    "wsgi.version": (1, 0),
}


class Threads:
    """Answers calls through a WSGI application."""

    def __init__(self, handler: Handler) -> None:
        """Prepare the threads; each starts with its first call."""
        self._handler, self._logins = handler, LoginGate()
        config = settings.INFERENCE
        self._short = ThreadPoolExecutor(config.web_threads, thread_name_prefix="short")
        self._shares = ThreadShares(config.web_long_threads)
        self._long = ThreadPoolExecutor(config.web_long_threads, thread_name_prefix="long")

    async def answer(self, call: Call, inflow: Inflow) -> AsgiResponse:
        """Return the answer to a call, whose body has arrived."""
        if self._logins.takes(call):
            return await self._answer_login(call, inflow)
        if inflow.size <= SMALL_BYTES and not limit_of(call).named:
            return await self.run(self._handle, environ(call, inflow))
        return await self.run_long(call, inflow, lambda _: self._handle(environ(call, inflow)), None)

    async def run(self, function: Callable[[Given], Result], value: Given) -> Result:
        """Return `function(value)`, called on a thread for short calls; logs and spans know the call."""
        here = copy_context().run
        return await asyncio.get_running_loop().run_in_executor(self._short, here, function, value)

    async def run_long(
        self, call: Call, inflow: Inflow, function: Callable[[Given], Result], value: Given
    ) -> Result:
        """Return `function(value)`, called on a thread for long calls, once the sender's share allows."""
        async with self._shares.turn(shares_of(call, inflow, LONG_PARTS)):
            here = copy_context().run
            return await asyncio.get_running_loop().run_in_executor(self._long, here, function, value)

    def admit(self, call: Call) -> None:
        """Refuse a form with a password from where too many come, before its body is read."""
        if self._logins.takes(call):
            self._logins.admit(call)

    async def _answer_login(self, call: Call, inflow: Inflow) -> AsgiResponse:
        """Answer a form with a password; BodyTooLargeError for one that is no short form."""
        if inflow.size > SMALL_BYTES:
            raise BodyTooLargeError
        return await self._logins.answer(call, lambda: self._handle(environ(call, inflow)))

    def _handle(self, environment: Environ) -> AsgiResponse:
        answer = AsgiResponse()
        environment[WAIT_REQUEST] = wait = WaitRequest()

        def start(status: str, headers: Headers, _error: object = None) -> None:
            nonlocal answer
            answer = AsgiResponse(int(status.partition(" ")[0]), headers)

        body = self._handler(environment, start)
        try:
            return replace(answer, body=b"".join(body), wait=wait)
        finally:
            getattr(body, "close", _nothing)()


def environ(call: Call, inflow: Inflow) -> Environ:
    """Return the WSGI environment of a call (PEP 3333)."""
    scope = call.request.scope
    server, client = scope.get("server") or ("", 0), scope.get("client") or ("", 0)
    environment: Environ = {
        **_BASE,
        "REQUEST_METHOD": scope["method"],
        "PATH_INFO": unquote_to_bytes(scope["raw_path"]).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1]),
        "REMOTE_ADDR": client[0],
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": inflow.file,
    }
    for name, value in scope["headers"]:
        _add(environment, name.decode("latin-1"), value.decode("latin-1"))
    environment["HTTP_X_REQUEST_ID"] = call.request_id
    environment[BEGAN], environment[SCOPE] = call.began_s, scope
    if inflow.size:
        environment.setdefault("CONTENT_LENGTH", str(inflow.size))  # Django reads no body without one
    return environment


def _add(environment: Environ, name: str, value: str) -> None:
    if "_" in name:
        return  # WSGI could not tell it from the header with a dash, which a proxy may have set
    key = name.upper().replace("-", "_")
    key = key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"
    between = "; " if key == "HTTP_COOKIE" else ","
    environment[key] = f"{environment[key]}{between}{value}" if key in environment else value


def _nothing() -> None:
    pass
