"""The buttons of a job's page: each with its right, by POST, audited."""

from __future__ import annotations

import pytest
from django.test import Client as Browser

from jobs.core.states import State
from jobs.models import DeadLetter, Event, Job, Outbox
from models_registry import selectors
from tests.support.admin import browser_of, text_of
from tests.support.factories import make_dead, make_job, make_version

PAGE = "/admin/jobs/job/{}/"
PICKY = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}


@pytest.fixture
def operator(db: str) -> Browser:
    selectors.forget()
    return browser_of("view_job", "change_job", "view_deadletter")


def press(browser: Browser, job: Job, verb: str, **fields: str) -> str:
    answer = browser.post(f"{PAGE.format(job.pk)}{verb}/", fields, follow=True)
    assert answer.status_code == 200
    job.refresh_from_db()
    return answer.content.decode()


def test_a_waiting_job_is_cancelled_and_then_replayed(operator: Browser) -> None:
    job = make_job()
    assert "Cancel</button>" in text_of(operator, f"{PAGE.format(job.pk)}change/")
    assert "The job is cancelled." in press(operator, job, "cancel")
    assert job.state == State.CANCELLED
    assert "The job is queued again." in press(operator, job, "replay")
    assert job.state == State.QUEUED
    kinds = Event.objects.order_by("id").values_list("kind", "actor")
    assert list(kinds) == [("cancel", "olga"), ("replay", "olga")]


def test_a_dead_job_runs_on_another_version_of_its_model(operator: Browser) -> None:
    make_version("echo", "2")
    make_version("other", "3")
    (job,) = make_dead(1)
    text = text_of(operator, f"{PAGE.format(job.pk)}change/")
    assert "<option>2</option>" in text
    assert "<option>3</option>" not in text
    assert "on version 2" in press(operator, job, "replay", version="2")
    assert (job.state, job.version.version) == (State.QUEUED, "2")
    assert Outbox.objects.get(job=job).version_id == job.version_id
    assert Event.objects.get(kind="replay").detail["version"] == "echo:2"


@pytest.mark.parametrize(
    ("version", "why"), [("3", "no version"), ("picky", "n"), ("sealed", "encrypt")], ids=str
)
def test_a_version_that_cannot_answer_the_input_takes_no_job(
    operator: Browser, version: str, why: str
) -> None:
    make_version("echo", "picky", input_schema=PICKY)
    (job,) = make_dead(1)
    if version == "sealed":
        sealed = make_version("echo", "secret", options={"encrypt": True})
        Job.objects.update(version=sealed)
        version = "1"
        selectors.forget()
    press(operator, job, "replay", version=version)
    assert job.state == State.DEAD
    assert not Event.objects.filter(kind="replay").exists(), why


def test_a_dead_job_leads_to_its_letter_and_to_all_like_it(operator: Browser) -> None:
    job, _other = make_dead(2)
    text = text_of(operator, f"{PAGE.format(job.pk)}change/")
    letter = DeadLetter.objects.get(pk=job.pk)
    assert f"/admin/jobs/deadletter/{job.pk}/change/" in text
    assert f"kind={letter.kind}&amp;fingerprint=poison%3Atest%3A-" in text


def test_who_may_not_act_has_no_button_and_no_act(db: str) -> None:
    job, (dead,) = make_job(), make_dead(1)
    viewer = browser_of("view_job", name="vera")
    for row in (job, dead):
        text = text_of(viewer, f"{PAGE.format(row.pk)}change/")
        assert "</button>" not in text.split('class="letters live"')[1].split("</div>")[0]
        for verb in ("cancel", "replay"):
            assert viewer.post(f"{PAGE.format(row.pk)}{verb}/").status_code == 403
    assert set(Job.objects.values_list("state", flat=True)) == {"queued", "dead"}


def test_an_act_needs_a_post_with_the_page_s_token(db: str) -> None:
    job, browser = make_job(), browser_of(csrf=True)
    assert browser.get(f"{PAGE.format(job.pk)}cancel/").status_code == 405
    assert browser.post(f"{PAGE.format(job.pk)}cancel/").status_code == 403
    job.refresh_from_db()
    assert job.state == State.QUEUED
