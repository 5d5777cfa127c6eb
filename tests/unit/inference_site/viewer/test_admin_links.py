"""The viewer's links lead to jobs and batches in the admin, and to nothing that an event names."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from inference_site.viewer.admin_links import batch_page, job_page, page_of_job

JOB, BATCH = "01a227e1-e5f7-7995-9a7d-67138fda56ce", "01a227e1-e622-7281-bac1-2f495179007e"
ADMIN = "http://127.0.0.1:8000/admin/jobs"


def test_a_job_s_task_leads_to_its_job_and_its_batch() -> None:
    task = SimpleNamespace(name="infer.minilm", uuid=JOB, batch=BATCH)
    assert job_page(None, task) == page_of_job(None, JOB) == f"{ADMIN}/job/{JOB}/change/"
    assert batch_page(None, task) == f"{ADMIN}/batch/{BATCH}/change/"


def test_a_task_that_is_no_job_or_has_not_started_leads_nowhere() -> None:
    task = SimpleNamespace(name="jobs.keep_retention", uuid=JOB)
    assert (job_page(None, task), batch_page(None, task)) == ("", "")


@pytest.mark.parametrize("forged", ["javascript:alert(1)", "../../logout", "", None, 7, f"{JOB}/delete"])
def test_what_an_event_forges_is_in_no_link(forged: object) -> None:
    task = SimpleNamespace(name="infer.m", uuid=forged, batch=forged)
    assert (job_page(None, task), batch_page(None, task)) == ("", "")
