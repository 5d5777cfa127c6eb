"""Serve the API before the admin's middleware: no session, no CSRF, and every error is a problem."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.db import close_old_connections
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.urls import resolve

from jobs.api.problems import respond, translate
from jobs.core.errors import MethodNotAllowedError

PREFIXES = ("/api/", "/healthz", "/readyz", "/metrics")
URLCONF = "jobs.api.urls"
# Under ASGI Django makes a thread, and so a database connection, for every request: these few are kept.
_THREADS = ThreadPoolExecutor(8, thread_name_prefix="api")
Next = Callable[[HttpRequest], HttpResponse | Awaitable[HttpResponse]]


class ApiMiddleware:
    """Answers paths of the API itself and passes all others on."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Next) -> None:
        """Stand before `get_response`, sync or async as it is."""
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse]:
        """Answer the API's paths."""
        if not request.path_info.startswith(PREFIXES):
            return self.get_response(request)
        return _serve_on_a_thread(request) if self.is_async else serve(request)


async def _serve_on_a_thread(request: HttpRequest) -> HttpResponse:
    here = copy_context()  # where the request comes from
    return await asyncio.get_running_loop().run_in_executor(_THREADS, here.run, _serve_here, request)


def _serve_here(request: HttpRequest) -> HttpResponse:
    close_old_connections()  # Django does so on another thread, which is not the one that holds ours
    return serve(request)


def serve(request: HttpRequest) -> HttpResponse:
    """Return the whole answer for this path; a problem where there is none or its view fails."""
    response = _answer(request)
    response.headers["Content-Length"] = str(len(response.content))
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _answer(request: HttpRequest) -> HttpResponse:
    try:
        match = resolve(request.path_info, URLCONF)
        request.resolver_match = match
        response: HttpResponse = match.func(request, *match.args, **match.kwargs)
    except Exception as error:  # noqa: BLE001  # the last frame before the server: nothing may pass
        return respond(translate(error))
    if isinstance(response, HttpResponseNotAllowed):
        return _not_allowed(response)
    return response


def _not_allowed(response: HttpResponse) -> HttpResponse:
    answer = respond(MethodNotAllowedError())
    if "Allow" in response.headers:
        answer.headers["Allow"] = response.headers["Allow"]
    return answer
