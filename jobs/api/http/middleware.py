"""Serve the API before the admin's middleware: no session, no CSRF, and every error is a problem."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.urls import resolve

from jobs.api.problems import on_exception, respond
from jobs.core.errors import MethodNotAllowedError

PREFIXES = ("/api/", "/healthz", "/readyz", "/metrics")
URLCONF = "jobs.api.endpoints"
Next = Callable[[HttpRequest], HttpResponse]


class ApiMiddleware:
    """Answers the API's paths itself and passes all others on."""

    def __init__(self, get_response: Next) -> None:
        """Prepare to pass other paths to `get_response`."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the API's paths."""
        api = request.path_info.startswith(PREFIXES)
        return serve(request) if api else self.get_response(request)


def serve(request: HttpRequest) -> HttpResponse:
    """Return the answer for this path; a problem where there is no such path or its view fails."""
    response = _answer(request)
    response.headers["Content-Length"] = str(len(response.content))
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _answer(request: HttpRequest) -> HttpResponse:
    try:
        match = resolve(request.path_info, URLCONF)
        request.resolver_match = match
        response: HttpResponse = match.func(request, *match.args, **match.kwargs)
    except Exception as error:  # noqa: BLE001  # the outermost frame of ours: no error may reach the server
        return on_exception(request, error)
    if isinstance(response, HttpResponseNotAllowed):
        return _not_allowed(response)
    return response


def _not_allowed(response: HttpResponse) -> HttpResponse:
    answer = respond(MethodNotAllowedError())
    if "Allow" in response.headers:
        answer.headers["Allow"] = response.headers["Allow"]
    return answer
