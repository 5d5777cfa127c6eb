"""The page of metrics on the API's port, only with METRICS_ON_API: it names clients and needs no token."""

from __future__ import annotations

from functools import cache

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from jobs.exporting import exporter


@require_safe
def show(request: HttpRequest) -> HttpResponse:
    """Answer with the metrics of all processes that count in the folder and in folders in it."""
    if not settings.INFERENCE.metrics_on_api:
        raise Http404
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return HttpResponse(encode(_page()), content_type=content_type)


@cache
def _page() -> CollectorRegistry:
    return exporter.page(with_subfolders=True)
