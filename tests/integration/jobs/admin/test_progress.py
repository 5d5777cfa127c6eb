"""A job's page shows its model's last report; the message, which may quote the input, needs a right."""

from __future__ import annotations

import pytest
from django.test import Client as Browser

from jobs.core.states import State
from jobs.models import Batch, Job
from tests.support.admin import browser_of, text_of
from tests.support.factories import make_job


@pytest.fixture
def job(db: str) -> Job:
    made = make_job(state=State.RUNNING)
    report = {"epoch": 1, "step": 7, "fraction": 0.42, "message": "drew <secret>"}
    Batch.objects.filter(pk=str(made.batch_id)).update(progress={str(made.pk): report})
    return made


def page(browser: Browser, job: Job) -> str:
    return text_of(browser, f"/admin/jobs/job/{job.pk}/change/")


def test_the_page_shows_a_job_s_progress_and_its_model_s_message(job: Job) -> None:
    seen = page(browser_of("view_job", "view_payload"), job)
    assert "42%" in seen
    assert "drew &lt;secret&gt;" in seen


def test_a_user_without_the_right_to_payloads_sees_the_progress_alone(job: Job) -> None:
    seen = page(browser_of("view_job"), job)
    assert "42%" in seen
    assert "secret" not in seen


def test_a_job_without_reports_shows_no_progress(job: Job) -> None:
    Batch.objects.update(progress=None)
    assert "42%" not in page(browser_of("view_job"), job)
