"""A call's id and address: in its answer, in its log lines, and in the audit."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import NamedTuple
from uuid import UUID

import httpx

from jobs.admin.job_page import events
from jobs.core.states import State
from jobs.models import Event, Job
from jobs.services.access.tokens import create_token
from jobs.services.lifecycle.cancel import cancel_job
from tests.support.factories import make_client, make_job
from tests.support.server_logs import LOGS, records_of
from tests.support.wait import wait_until

Serve = Callable[..., httpx.Client]
PLAIN = {"model": "echo", "input": {"text": "hello"}}
FORGED = [("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", "203.0.113.9")]
MARKER = "a-word-of-a-payload"
GOOD = {"model": "echo", "input": {"text": MARKER}, "metadata": {"note": MARKER}}
JSON = {"Content-Type": "application/json"}


class Made(NamedTuple):
    """A call, and what its log line must say."""

    method: str
    path: str
    route: str
    status: int
    content: bytes = b""
    says: tuple[str, ...] = ("client",)


def calls(job: UUID) -> list[Made]:
    """Return a call of every road and kind of answer; all of them quote the marker where they can."""
    one, two, ask = json.dumps(GOOD).encode(), json.dumps([GOOD, GOOD]).encode(), f"?text={MARKER}"
    of_job = ("client", "job")
    return [
        Made("POST", f"/api/v1/jobs{ask}", "/api/v1/jobs", 202, one, of_job),
        Made("POST", f"/api/v1/jobs/bulk{ask}", "/api/v1/jobs/bulk", 202, two, ("client", "jobs")),
        Made("POST", f"/api/v1/jobs/stream{ask}", "/api/v1/jobs/stream", 200, one, ("client", "jobs")),
        Made("GET", f"/api/v1/jobs/{job}{ask}", "/api/v1/jobs/{job_id}", 200, says=of_job),
        Made("GET", f"/api/v1/jobs/{job}?wait=5", "/api/v1/jobs/{job_id}", 200, says=of_job),
        Made("GET", f"/api/v1/jobs/{job}/events", "/api/v1/jobs/{job_id}/events", 200, says=of_job),
        Made("POST", f"/api/v1/jobs/{job}/cancel", "/api/v1/jobs/{job_id}/cancel", 200, says=of_job),
        Made("POST", "/api/v1/jobs", "/api/v1/jobs", 400, MARKER.encode()),
        Made("POST", "/api/v1/jobs", "/api/v1/jobs", 413, b"x" * 2_000),
        Made("POST", "/api/v1/uploads", "/api/v1/uploads", 413, b"x" * 2_000),
        Made("DELETE", "/api/v1/jobs", "/api/v1/jobs", 405, says=()),
        Made("GET", f"/api/v1/{MARKER}{ask}", "unmatched", 404, says=()),
        Made("GET", f"/{MARKER}{ask}", "unmatched", 404, says=()),
        Made("GET", "/healthz", "/healthz", 200, says=()),
        Made("GET", f"/admin/login/{ask}", "/admin/login/", 200, says=()),
        Made("GET", "/static/admin/css/base.css", "/static/{path}", 200, says=()),
    ]


def test_each_call_of_every_road_has_one_line_and_its_id_comes_back(serve: Serve, token: str) -> None:
    limits = {"MAX_BODY_BYTES": "1000", "MAX_UPLOAD_BYTES": "1000"}
    server = serve(LOG_FORMAT="json", PROCESS_NAME="web-7", **limits)
    ended = server.post("/api/v1/jobs", json=GOOD).json()["id"]
    assert cancel_job(job_id=UUID(ended), actor="test")
    made = calls(UUID(ended))
    for number, call in enumerate(made):
        answer = server.request(
            call.method, call.path, content=call.content, headers={"X-Request-ID": f"id-{number}", **JSON}
        )
        assert (call, answer.status_code) == (call, call.status)
        assert answer.headers["X-Request-ID"] == f"id-{number}"
    nobody = server.post(
        "/api/v1/jobs", json=GOOD, headers={"X-Request-ID": "id-0 no", "Authorization": "no"}
    )
    assert (nobody.status_code, len(nobody.headers["X-Request-ID"])) == (401, 32)
    wait_until(lambda: records_of(server, logger="access", request_id=nobody.headers["X-Request-ID"]))
    for number, call in enumerate(made):
        (line,) = records_of(server, logger="access", request_id=f"id-{number}")
        told = {name: line[name] for name in ("method", "route", "status", "process", "level")}
        assert told == {
            "method": call.method, "route": call.route, "status": call.status, "process": "web-7",
            "level": "INFO",
        }  # fmt: skip
        assert [name for name in ("client", "job", "jobs") if name in line] == [*call.says]
        assert line["ms"] > 0
    text = LOGS[server].read_text()
    assert MARKER not in text
    assert token not in text
    assert_events_name_their_calls()


def assert_events_name_their_calls() -> None:
    details = [event.detail for event in Event.objects.filter(kind="submit").order_by("id")][1:]
    assert details == [
        {"request_id": "id-0"},
        {"jobs": 2, "refused": 0, "request_id": "id-1"},
        {"request_id": "id-2"},
    ]
    job = Job.objects.get(events__detail__request_id="id-0")
    assert "id-0" in events(job)


def test_at_the_level_warning_no_call_has_a_line(serve: Serve) -> None:
    server = serve(LOG_FORMAT="json", LOG_LEVEL="warning")
    assert server.post("/api/v1/jobs", json=GOOD).status_code == 202
    assert records_of(server) == []


def address_of(kind: str) -> str | None:
    address: str | None = Event.objects.get(kind=kind).address
    return address


def test_without_a_trusted_proxy_the_header_is_ignored(serve: Serve) -> None:
    server = serve()
    assert server.post("/api/v1/jobs", json=PLAIN, headers=FORGED).status_code == 202
    assert address_of("submit") == "127.0.0.1"


def test_one_trusted_proxy_s_entry_counts_and_the_client_s_own_do_not(serve: Serve) -> None:
    server = serve(TRUSTED_PROXY_HOPS="1")
    assert server.post("/api/v1/jobs", json=PLAIN, headers=FORGED).status_code == 202
    assert address_of("submit") == "203.0.113.9"


def test_an_admin_s_view_of_another_client_s_job_records_the_address(serve: Serve) -> None:
    server = serve(TRUSTED_PROXY_HOPS="1")
    job = make_job(state=State.SUCCEEDED, client=make_client("somebody"))
    admin = ("Authorization", f"Bearer {create_token(client='operators', scopes=['admin'])}")
    assert server.get(f"/api/v1/jobs/{job.pk}", headers=[admin, *FORGED]).status_code == 200
    assert address_of("view_payload") == "203.0.113.9"
