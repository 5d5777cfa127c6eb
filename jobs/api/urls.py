"""URLs of the API."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, path, re_path
from ninja.errors import HttpError, ValidationError

from jobs.api import events, jobs, lineage, site, submit, uploads  # noqa: F401  # importing a module puts its calls on the router
from jobs.api.auth import BearerToken
from jobs.api.openapi import DescribedApi
from jobs.api.problems import on_exception
from jobs.api.router import router
from models_registry.api import router as models_router

TOKENS = """
Every call takes a bearer token. What it may be used for are its scopes: `submit`, `read`, `cancel`, `replay`,
and `admin`, which is all of them for every client's jobs. A call names the scope that it needs as `x-scope`;
without it the answer is 403, whoever's the job is. Another client's job answers as one that never was, with
404. A token without `read` is shown no metadata, output or error, whatever it submits, cancels or replays.
The registry takes any token.
"""
api = DescribedApi(
    title="Inference platform",
    version="1",
    description=TOKENS,
    urls_namespace="api-v1",
    auth=BearerToken(),
)
for kind in (
    Exception,
    ValidationError,
    HttpError,
    Http404,
):  # ninja has nearer handlers of its own for these
    api.add_exception_handler(kind, on_exception)
api.add_router("", router)
api.add_router("", models_router)


def nothing_here(_request: HttpRequest, **_parts: str) -> HttpResponse:
    """Answer any other address of the API."""
    raise Http404


urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", site.healthz),
    path("readyz", site.readyz),
    path("metrics", site.metrics),
    path("api/v1/", api.urls),
    re_path(r"^api/", nothing_here),
]
