"""URLs of the API."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, path, re_path
from ninja import NinjaAPI

from jobs.api import site
from jobs.api.auth import BearerToken
from jobs.api.jobs import router
from jobs.api.problems import on_exception

api = NinjaAPI(title="Inference platform", version="1", urls_namespace="api-v1", auth=BearerToken())
api.add_exception_handler(Exception, on_exception)
api.add_router("", router)


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
