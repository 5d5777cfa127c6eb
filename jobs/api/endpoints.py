"""URLs of the API."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, path, re_path
from ninja.errors import HttpError, ValidationError

from jobs.api.auth import BearerToken
from jobs.api.docs.openapi import DescribedApi
from jobs.api.problems import on_exception
from jobs.api.router import rollouts_router, router
from jobs.api.routes import (
    backtest_calls,
    bulk_act_calls,
    erasures,
    feedback_calls,
    file_uploads,
    health,
    job_events,
    job_lineage,
    job_timelines,
    jobs,
    live_workers,
    metrics_page,
    own_token,
    registrations,
    submissions,
)
from jobs.api.routes.rollouts import (
    ab_report_calls,
    cascade_calls,
    drift_calls,
    flag_calls,
    rollout_act_calls,
    rollout_calls,
    rollout_stream,
    rule_calls,
    shadow_calls,
    version_state_calls,
)
from models_registry.api import router as models_router

# Each put its calls on the router.
ROUTES = (
    ab_report_calls, backtest_calls, bulk_act_calls, cascade_calls, drift_calls, erasures, feedback_calls,
    file_uploads, flag_calls, job_events, job_lineage, job_timelines, jobs, live_workers, own_token,
    registrations, rollout_act_calls, rollout_calls, rollout_stream, rule_calls, shadow_calls,
    submissions, version_state_calls,
)  # fmt: skip
ABOUT = """
Submit a job and get its acknowledgement at once. Then get its result in the way that suits you: send
`Prefer: wait=S` with the submit, open `urls.wait` or `urls.events` of the answer, or name a
`callback_url` for a webhook. A job is `queued`, `running` or `waiting` (for its next attempt). It ends as
`succeeded`, `dead`, `cancelled` or `expired`. [The documents](/docs/api) show each step by example.

**Tokens.** Every call needs a bearer token. A token has scopes: `submit`, `read`, `cancel`, `replay` and
`erase` for your own jobs, `register` for versions of models, `roll_out` for flags and for what answers for
their aliases, `approve` for the roll-outs of others, and `admin` for everything but `approve`, on the jobs of
all clients.
Each call below names the scope that it needs as `x-scope`; without it the call returns 403, whether or not
the job is yours. A job of another client returns 404, as if it did not exist. Without `read`, a token gets no
metadata, output or error, not even of the jobs that it submits, cancels or replays. Any valid token
may read the registry of models, as far as its client may use them, and replace itself. In the last two weeks
of a token, each answer, but to a call that waits, names its end in `Token-Expires`.

**Problems.** Every error is `application/problem+json` (RFC 9457) with a stable `code`. After a 429 or 503,
send the call again once `Retry-After` seconds have passed. A submit with an `Idempotency-Key` can also be
sent again when its answer was lost, and so can the start of an act on many jobs. A client
with quotas finds them in the headers `RateLimit-Policy` and `RateLimit`.

**Files.** Anywhere in an input, `{"$upload": ID}` stands for a file that was sent to `POST /uploads` before,
and `{"$part": NAME}` for a file in the same `multipart/form-data` call. An input may refer to at most sixteen
files.
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
):  # ninja would answer these with handlers of its own
    api.add_exception_handler(kind, on_exception)
api.add_router("", router)
api.add_router("", models_router)
api.add_router("", rollouts_router)


def nothing_here(_request: HttpRequest, **_parts: str) -> HttpResponse:
    """Answer any other address below /api/ with 404."""
    raise Http404


urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("metrics", metrics_page.show),
    path("api/v1/", api.urls),
    re_path(r"^api/", nothing_here),
]
