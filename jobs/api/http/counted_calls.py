"""Counts every call of a server: those of the event loop, and Django's.

A route is a template, never a path: who scans for files of others makes one series. The pages of the admin
are one route, because there are some hundred of them.
"""

from __future__ import annotations

import re
from functools import cache
from time import monotonic
from typing import Any

from django.http import HttpRequest
from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jobs.api.access_log import METHODS, UNMATCHED, template_of
from jobs.metrics import HTTP_REQUESTS, HTTP_TIME

SCOPE = "inference.scope"  # the key in the WSGI environment of the call's ASGI scope
ROUTE = "inference.route"  # the key in that scope of the route that Django found
OTHER, GONE = "other", "gone"
# The live page's stream lasts for hours: among the pages it would hide how long these take.
_WHOLE = ("/admin/operations/readings", "/admin/", "/static/")
# The event loop answers some of these calls.
_LOOP = re.compile(r"/api/v1/jobs(?:/stream|/(?P<job>[0-9a-f]{8}(?:-[0-9a-f]{4,12}){4})(?:/events)?)?")


class CountedCalls:
    """An ASGI application that counts the calls of another."""

    def __init__(self, application: ASGIApp) -> None:
        """Prepare to count the calls of `application`."""
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one call; one that its client left before it was answered has the status `gone`."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        began, status = monotonic(), GONE

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = f"{message['status'] // 100}xx"
            await send(message)

        try:
            await self._application(scope, receive, noting)
        finally:
            _count(scope, status, monotonic() - began)


def note_route(request: HttpRequest) -> None:
    """Leave the route that Django found for a call where it is counted."""
    scope: dict[str, Any] | None = request.META.get(SCOPE)
    if scope is not None and request.resolver_match is not None:
        scope[ROUTE] = template_of(request.resolver_match.route)


def _count(scope: Scope, status: str, seconds: float) -> None:
    route = _route_of(scope)
    method = scope["method"] if scope["method"] in METHODS else OTHER
    number, times = _series(route, method, status)
    number.inc()
    times.observe(seconds)


@cache  # `labels` costs as much as all else
def _series(route: str, method: str, status: str) -> tuple[Counter, Histogram]:
    return HTTP_REQUESTS.labels(route, method, status), HTTP_TIME.labels(route)


def _route_of(scope: Scope) -> str:
    path = scope["path"]
    for whole in _WHOLE:
        if path.startswith(whole):
            return whole
    if route := scope.get(ROUTE):
        return str(route)
    match = _LOOP.fullmatch(path)
    if match is None:
        return UNMATCHED
    return str(path.replace(match["job"], "{job_id}") if match["job"] else path)
