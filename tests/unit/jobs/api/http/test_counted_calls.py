"""Every call is counted by its route's template, its method and the class of its status."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from django.http import Http404
from django.test import RequestFactory
from django.urls import resolve
from prometheus_client import REGISTRY
from starlette.types import Message, Receive, Scope, Send

from jobs.api.http.counted_calls import SCOPE, CountedCalls, note_route
from jobs.api.http.middleware import URLCONF

JOB = "01a22355-bc1f-7a31-8ce4-d92f099269aa"


async def unanswered() -> Message:
    raise AssertionError("nobody reads here")


async def dropped(_: Message) -> None:
    pass


def requests(route: str, method: str, status: str) -> float:
    labels = {"route": route, "method": method, "status": status}
    return REGISTRY.get_sample_value("inference_http_requests_total", labels) or 0.0


def timed(route: str) -> float:
    return REGISTRY.get_sample_value("inference_http_request_seconds_count", {"route": route}) or 0.0


def call(path: str, method: str = "GET", status: int | None = 200, *, django: bool = False) -> None:
    """Make one call, which Django or the event loop answers with a status, or nobody."""

    async def application(scope: Scope, _: Receive, send: Send) -> None:
        if django:
            routed(scope)
        if status is None:
            raise ConnectionError
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    scope = {"type": "http", "path": path, "method": method}
    asyncio.run(CountedCalls(application)(scope, unanswered, dropped))


def routed(scope: Scope) -> None:
    request: Any = RequestFactory().generic(scope["method"], scope["path"])
    request.META[SCOPE] = scope
    try:
        request.resolver_match = resolve(scope["path"], URLCONF if scope["path"].startswith("/api") else None)
    except Http404:
        request.resolver_match = None
    note_route(request)


@pytest.mark.parametrize(
    ("path", "route", "django"),
    [
        ("/api/v1/jobs", "/api/v1/jobs", False),
        ("/api/v1/jobs/stream", "/api/v1/jobs/stream", False),
        (f"/api/v1/jobs/{JOB}", "/api/v1/jobs/{job_id}", False),
        (f"/api/v1/jobs/{JOB}", "/api/v1/jobs/{job_id}", True),
        (f"/api/v1/jobs/{JOB}/events", "/api/v1/jobs/{job_id}/events", False),
        (f"/api/v1/jobs/{JOB}/lineage", "/api/v1/jobs/{job_id}/lineage", True),
        ("/api/v1/models/minilm/versions", "/api/v1/models/{name}/versions", True),
        ("/docs/api", "/docs/{name}", True),
        ("/admin/jobs/job/4711/change/", "/admin/", True),
        ("/admin/operations/readings", "/admin/operations/readings", True),
        ("/static/admin/css/base.css", "/static/", True),
        ("/healthz", "/healthz", True),
        ("/api/v1/4711", "unmatched", True),
        ("/.env", "unmatched", True),
        (f"/{JOB}", "unmatched", False),
    ],
)
def test_a_call_is_counted_by_the_template_of_its_route(path: str, route: str, django: bool) -> None:  # noqa: FBT001
    before, number = requests(route, "GET", "2xx"), timed(route)
    call(path, django=django)
    assert requests(route, "GET", "2xx") == before + 1
    assert timed(route) == number + 1


@pytest.mark.parametrize(("status", "label"), [(202, "2xx"), (308, "3xx"), (404, "4xx"), (503, "5xx")])
def test_statuses_are_counted_by_class(status: int, label: str) -> None:
    before = requests("/api/v1/jobs", "POST", label)
    call("/api/v1/jobs", "POST", status)
    assert requests("/api/v1/jobs", "POST", label) == before + 1


def test_a_call_that_nobody_answered_and_a_made_up_method_are_counted_too() -> None:
    before = requests("unmatched", "other", "gone")
    with pytest.raises(ConnectionError):
        call("/x", "BREW4711", None)
    assert requests("unmatched", "other", "gone") == before + 1


def test_what_is_no_call_passes_uncounted() -> None:
    seen = list[str]()

    async def application(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.append(scope["type"])

    asyncio.run(CountedCalls(application)({"type": "lifespan"}, unanswered, dropped))
    assert seen == ["lifespan"]
