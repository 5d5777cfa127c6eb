"""Serve the API before the admin's middleware: no session, no CSRF, and every error is a problem."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.urls import resolve

from jobs.api.access_log import UNMATCHED, template_of
from jobs.api.problems import on_exception, respond
from jobs.core.access.scopes import WARNED_DAYS
from jobs.core.errors import MethodNotAllowedError

PREFIXES = ("/api/", "/healthz", "/readyz", "/metrics")
URLCONF = "jobs.api.endpoints"
# The API's page is the only one here: its scripts are files, its styles are not. All else is data.
DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
WARNED = timedelta(days=WARNED_DAYS)
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
    return complete(_answer(request), getattr(getattr(request, "auth", None), "expires_at", None))


def complete(response: HttpResponse, ends_at: datetime | None) -> HttpResponse:
    """Return an answer with the headers that all have; `ends_at` is the end of its call's token."""
    headers = response.headers
    headers["Content-Length"] = str(len(response.content))
    headers["X-Content-Type-Options"] = "nosniff"
    _warn_of_end(response, ends_at)
    is_page = headers.get("Content-Type", "").startswith("text/html")
    headers["Content-Security-Policy"] = PAGE_POLICY if is_page else DATA_POLICY
    return response


def route_of(path: str) -> str:
    """Return the template of the route that a path leads to, as the access log names it."""
    try:
        match = resolve(path, URLCONF if path.startswith(PREFIXES) else None)
    except Http404:
        return UNMATCHED
    return template_of(match.route)


def _warn_of_end(response: HttpResponse, ends_at: datetime | None) -> None:
    """Name the end of a token where it comes soon."""
    if ends_at is not None and ends_at - datetime.now(UTC) < WARNED:
        response.headers["Token-Expires"] = ends_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


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
