"""Pages that read themselves again: cheap, without payloads, and no sign of a person."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client as Browser
from django.urls import reverse

from inference_site import session_limits
from jobs.core.states import State
from jobs.models import Batch, Event, Job, JobInput
from tests.support.admin import browser_of
from tests.support.factories import make_job

JOBS = "/admin/jobs/job/"
META = '<meta name="page-refresh-s" content="{}">'


def refreshed(browser: Browser, path: str, tag: str = "") -> Any:
    headers = {"X-Page-Refresh": "1"} | ({"If-None-Match": tag} if tag else {})
    return browser.get(path, headers=headers)


def page_of(job: Job) -> str:
    return reverse("admin:jobs_job_change", args=[job.pk])


def test_refreshes_keep_no_session_alive(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000_000.0
    monkeypatch.setattr(session_limits, "time", lambda: now)
    visitor = browser_of()
    assert visitor.get(JOBS).status_code == 200
    seen = []
    for _ in range(70):
        now += 60
        seen.append(refreshed(visitor, JOBS).status_code)
    assert seen == [200] * 59 + [302] * 11
    assert visitor.get(JOBS).status_code == 302, "the session is over"


def test_a_session_of_refreshes_alone_ends_too(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000_000.0
    monkeypatch.setattr(session_limits, "time", lambda: now)
    visitor = browser_of()
    assert refreshed(visitor, JOBS).status_code == 200
    now += 3_600
    assert refreshed(visitor, JOBS).status_code == 302


def test_an_unchanged_page_is_not_sent_again(browser: Browser) -> None:
    make_job(state=State.SUCCEEDED)
    first = refreshed(browser, JOBS)
    same = refreshed(browser, JOBS, first["ETag"])
    assert (same.status_code, same.content) == (304, b"")
    make_job()
    changed = refreshed(browser, JOBS, first["ETag"])
    assert changed.status_code == 200
    assert changed["ETag"] != first["ETag"]
    assert "ETag" not in browser.get(JOBS), "a person's request is answered in full"


def test_a_list_is_refreshed_on_its_first_page_only(browser: Browser) -> None:
    assert META.format(5) in browser.get(JOBS).content.decode()
    assert META.format(15) in browser.get("/admin/jobs/deadletter/").content.decode()
    assert "page-refresh-s" not in browser.get(f"{JOBS}?p=2").content.decode()


def test_a_row_s_page_is_refreshed_while_the_row_lives(browser: Browser) -> None:
    live, done = make_job(state=State.RUNNING), make_job(state=State.SUCCEEDED)
    batch = reverse("admin:jobs_batch_change", args=[Batch.objects.get().pk])
    assert META.format(5) in browser.get(page_of(live)).content.decode()
    assert META.format(5) in browser.get(batch).content.decode()
    assert "page-refresh-s" not in browser.get(page_of(done)).content.decode()


def test_a_refresh_shows_no_payload_and_leaves_no_audit(browser: Browser) -> None:
    job = make_job()
    JobInput.objects.filter(job=job).update(body=b'{"t":"ask-sesame"}')
    assert "ask-sesame" in browser.get(page_of(job)).content.decode()
    assert Event.objects.filter(kind="view_payload").count() == 1
    for _ in range(3):
        assert "ask-sesame" not in refreshed(browser, page_of(job)).content.decode()
    assert Event.objects.filter(kind="view_payload").count() == 1


def test_the_script_and_the_style_are_served(browser: Browser) -> None:
    page = browser.get(JOBS).content.decode()
    for name in ("admin.css", "admin.js", "logo.svg"):
        path = f"/static/inference_site/{name}"
        assert f'"{path}"' in page
        answer = browser.get(path)
        assert answer.status_code == 200
        answer.close()
