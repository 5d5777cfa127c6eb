"""Pages for machines: health, readiness and metrics; they need no token."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from jobs.api.responses import json_answer
from jobs.db.positional import fetch_all
from jobs.metrics import counted


@require_safe
def healthz(_request: HttpRequest) -> HttpResponse:
    """Say that this process lives."""
    return json_answer({"status": "ok"})


@require_safe
def readyz(_request: HttpRequest) -> HttpResponse:
    """Say that the database answers; a 503 problem where it does not."""
    fetch_all("SELECT 1")
    return json_answer({"status": "ready"})


@require_safe
def metrics(_request: HttpRequest) -> HttpResponse:
    """Return the metrics of all processes that count together, in Prometheus' text format."""
    return HttpResponse(generate_latest(counted()), content_type=CONTENT_TYPE_LATEST)
