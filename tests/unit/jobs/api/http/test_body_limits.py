from __future__ import annotations

import pytest
from django.conf import settings
from starlette.requests import Request
from starlette.types import Message

from jobs.api.http.asgi_call import Call
from jobs.api.http.body_limits import SMALL_BYTES, limit_of

JOB = "/api/v1/jobs/01a22355-bc1f-7a31-8ce4-d92f099269aa"
MOST = settings.INFERENCE
WITH_FILES = MOST.max_body_bytes + MOST.max_upload_bytes


async def no_message() -> Message:
    raise AssertionError


async def no_send(_message: Message) -> None:
    raise AssertionError


@pytest.mark.parametrize(
    ("method", "path", "kind", "most"),
    [
        ("POST", "/api/v1/jobs", "application/json", MOST.max_body_bytes),
        ("POST", "/api/v1/jobs", "multipart/form-data; boundary=b", WITH_FILES),
        ("POST", "/api/v1/jobs/bulk", "", MOST.max_bulk_body_bytes),
        ("POST", "/api/v1/uploads", "multipart/form-data", MOST.max_upload_bytes),
        ("POST", "/api/v1/models/m/versions", "", MOST.max_body_bytes),
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
    scope = {"type": "http", "method": method, "path": path, "headers": [(b"content-type", kind.encode())]}
    limit = limit_of(Call(Request(scope, no_message), no_send))
    assert limit.most == most
    assert (limit.most == SMALL_BYTES) or limit.scope or limit.staff
