"""URLs of the API."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, path, re_path
from ninja.errors import HttpError, ValidationError

from jobs.api.auth import BearerToken
from jobs.api.docs.openapi import DescribedApi
from jobs.api.problems import on_exception
from jobs.api.router import router
from jobs.api.routes import file_uploads, health, job_events, job_lineage, jobs, submissions
from models_registry.api import router as models_router

ROUTES = (file_uploads, job_events, job_lineage, jobs, submissions)  # each put its calls on the router
ABOUT = """
Submit a job, have its acknowledgement at once, and learn of its end in the way that suits: `Prefer: wait=S`
with the submit, `urls.wait` or `urls.events` of the answer, or a webhook to the job's `callback_url`. A job
is `queued`, `running` or `waiting` (to be tried again), and ends `succeeded`, `dead`, `cancelled` or
`expired`. [The documents](/docs/api) show each step by example.

**Tokens.** Every call takes a bearer token. What it may be used for are its scopes: `submit`, `read`,
`cancel`, `replay`, and `admin`, which is all of them for every client's jobs. A call names the scope that
it needs as `x-scope`; without it the answer is 403, whoever's the job is. Another client's job answers as
one that never was, with 404. A token without `read` is shown no metadata, output or error, whatever it
submits, cancels or replays. The registry takes any token.

**Problems.** What is refused is `application/problem+json` (RFC 9457) with a stable `code`. What 429 or 503
turns away may be sent again after `Retry-After` seconds; a submit under an `Idempotency-Key` even where its
answer was lost. A client with quotas is told of them in `RateLimit-Policy` and `RateLimit`.

**Files.** Anywhere in an input `{"$upload": ID}` stands for a file that `POST /uploads` took before, and
`{"$part": NAME}` for one of the same `multipart/form-data` call, sixteen files at most.
"""
api = DescribedApi(
    title="Inference platform",
    version="1",
    description=ABOUT,
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
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("metrics", health.metrics),
    path("api/v1/", api.urls),
    re_path(r"^api/", nothing_here),
]
