"""Pages for machines: health, readiness and metrics; they need no token."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from jobs.api.responses import json_answer
from jobs.db.statement import Statement, fetch_all
from jobs.metrics import counted

_PING = Statement("SELECT 1", int)


@require_safe
def healthz(_request: HttpRequest) -> HttpResponse:
    """Answer as long as this process runs."""
    return json_answer({"status": "ok"})


@require_safe
def readyz(_request: HttpRequest) -> HttpResponse:
    """Answer where the database answers; with a 503 problem where it does not."""
    fetch_all(_PING)
    return json_answer({"status": "ready"})


@require_safe
def metrics(_request: HttpRequest) -> HttpResponse:
    """Return the metrics of all processes that share them, in Prometheus' text format."""
    return HttpResponse(generate_latest(counted()), content_type=CONTENT_TYPE_LATEST)
