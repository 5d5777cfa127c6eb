import logging
from contextvars import Context
from uuid import UUID

import pytest

from jobs.api.access_log import (
    CLIENT_LEFT,
    UNMATCHED,
    CallRecord,
    begin_record,
    call_record,
    is_kept,
    note_access,
    template_of,
)
from jobs.api.http.middleware import route_of
from jobs.core.log_context import FIELDS

JOB = UUID(int=7)


def logged(
    caplog: pytest.LogCaptureFixture, record: CallRecord, status: int | None, method: str = "GET"
) -> object:
    with caplog.at_level(logging.INFO, logger="access"):
        note_access(record, method=method, status=status, seconds=0.0123456)
    return getattr(caplog.records[-1], FIELDS)


def test_a_call_s_line_holds_its_template_ids_and_milliseconds(caplog: pytest.LogCaptureFixture) -> None:
    record = CallRecord(route="/api/v1/jobs", client=3, job=JOB)
    fields = {"route": "/api/v1/jobs", "method": "GET", "status": 202, "ms": 12.35, "client": 3, "job": JOB}
    assert logged(caplog, record, 202) == fields
    assert caplog.messages == ["GET /api/v1/jobs 202"]


def test_a_client_that_left_has_a_status_of_its_own_and_a_made_up_method_no_name(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fields = {"route": "unmatched", "method": "other", "status": CLIENT_LEFT, "ms": 12.35, "jobs": 0}
    assert logged(caplog, CallRecord(route=UNMATCHED, jobs=0), None, "SECRET") == fields


def test_none_is_kept_above_info() -> None:
    log = logging.getLogger("access")
    before = log.level
    try:
        log.setLevel(logging.WARNING)
        assert not is_kept()
        log.setLevel(logging.INFO)
        assert is_kept()
    finally:
        log.setLevel(before)


def test_a_thread_s_record_is_that_of_the_call_it_answers() -> None:
    def inside() -> None:
        record = begin_record()
        assert call_record() is record

    Context().run(inside)
    assert Context().run(call_record) is not Context().run(call_record)


@pytest.mark.parametrize(
    ("route", "template"),
    [
        ("api/v1/jobs/<uuid:job_id>/events", "/api/v1/jobs/{job_id}/events"),
        ("admin/jobs/job/<path:object_id>/change/", "/admin/jobs/job/{object_id}/change/"),
        ("^api/", UNMATCHED),
        ("admin/(?P<url>.*)$", UNMATCHED),
    ],
)
def test_both_roads_spell_a_route_alike(route: str, template: str) -> None:
    assert template_of(route) == template


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/api/v1/uploads", "/api/v1/uploads"),
        (f"/api/v1/jobs/{JOB}/cancel", "/api/v1/jobs/{job_id}/cancel"),
        ("/api/v1/secret-word", UNMATCHED),
        ("/secret-word", UNMATCHED),
        ("/admin/secret-word", UNMATCHED),
        ("/healthz", "/healthz"),
    ],
)
def test_a_call_that_no_view_has_seen_has_the_route_that_its_path_leads_to(path: str, route: str) -> None:
    assert route_of(path) == route
