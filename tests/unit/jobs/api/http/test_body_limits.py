from __future__ import annotations

import pytest
from django.conf import settings
from starlette.requests import Request
from starlette.types import Message

from jobs.api.http.asgi_call import Call
from jobs.api.http.body_limits import SMALL_BYTES, BodyLimit, limit_of
from jobs.core.access.scopes import Scope

JOB = "/api/v1/jobs/01a22355-bc1f-7a31-8ce4-d92f099269aa"
MOST = settings.INFERENCE
WITH_FILES = MOST.max_body_bytes + MOST.max_upload_bytes


async def no_message() -> Message:
    raise AssertionError


async def no_send(_message: Message) -> None:
    raise AssertionError


def limit_at(method: str, path: str, kind: str = "") -> BodyLimit:
    scope = {"type": "http", "method": method, "path": path, "headers": [(b"content-type", kind.encode())]}
    return limit_of(Call(Request(scope, no_message), no_send))


@pytest.mark.parametrize(
    ("method", "path", "kind", "most"),
    [
        ("POST", "/api/v1/jobs", "application/json", MOST.max_body_bytes),
        ("POST", "/api/v1/jobs", "multipart/form-data; boundary=b", WITH_FILES),
        ("POST", "/api/v1/jobs/bulk", "", MOST.max_bulk_body_bytes),
        ("POST", "/api/v1/uploads", "multipart/form-data", MOST.max_upload_bytes),
        ("POST", "/api/v1/models/m/versions", "", MOST.max_body_bytes),
        ("POST", "/api/v1/models/m/rules/preview", "", MOST.max_body_bytes),
        ("POST", "/api/v1/models/m/rules/1/cascade", "", MOST.max_body_bytes),
        ("POST", "/api/v1/models/m/rules", "", SMALL_BYTES),
        ("POST", "/api/v1/models/m/rollouts", "", SMALL_BYTES),
        ("POST", "/api/v1/rollouts/1/pause", "", SMALL_BYTES),
        ("PUT", "/api/v1/flags/beta", "", SMALL_BYTES),
        ("POST", "/api/v1/flags/beta/preview", "", MOST.max_body_bytes),
        ("DELETE", "/api/v1/flags/beta", "", SMALL_BYTES),
        ("PUT", "/api/v1/uploads", "", SMALL_BYTES),
        ("DELETE", JOB, "", SMALL_BYTES),
        ("POST", "/api/v1/erasures", "", SMALL_BYTES),
        ("POST", "/api/v1/bulk-acts/cancel", "", SMALL_BYTES),
        ("POST", f"{JOB}/cancel", "", SMALL_BYTES),
        ("POST", f"{JOB}/events", "", SMALL_BYTES),
        ("GET", "/api/v1/jobs", "", SMALL_BYTES),
        ("POST", "/api/v1/jobs/", "multipart/form-data", SMALL_BYTES),
        ("POST", "/docs/", "multipart/form-data", SMALL_BYTES),
        ("POST", "/nothing", "multipart/form-data", SMALL_BYTES),
        ("POST", "/healthz", "", SMALL_BYTES),
        ("POST", "/admin/login/", "multipart/form-data; boundary=b", MOST.max_body_bytes),
    ],
)
def test_each_address_has_its_limit(method: str, path: str, kind: str, most: int) -> None:
    limit = limit_at(method, path, kind)
    assert limit.most == most
    assert (limit.most == SMALL_BYTES) or limit.scope or limit.staff


@pytest.mark.parametrize("call", ["rules", "rules/preview", "rollouts"])
def test_a_decision_that_may_take_long_is_of_a_sender_who_is_known(call: str) -> None:
    limit = limit_at("POST", f"/api/v1/models/m/{call}")
    assert (limit.named, limit.scope) == (True, Scope.ROLL_OUT)
    assert not limit_at("GET", f"/api/v1/models/m/{call}").named


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/api/v1/flags/a"), ("POST", "/api/v1/flags/a/preview")]
)
def test_a_call_that_tries_the_patterns_of_a_flag_is_somebody_s(method: str, path: str) -> None:
    limit = limit_at(method, path)
    assert (limit.scope, limit.named) == (Scope.ROLL_OUT, True)
