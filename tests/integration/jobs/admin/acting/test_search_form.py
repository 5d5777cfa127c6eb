"""The list of jobs is narrowed by error, version, times and fields of the metadata."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext

from jobs.core.ids import uuid7
from jobs.core.states import State
from jobs.models import DeadLetter, Job, JobLabel
from jobs.services.erasure.erase_job import erase_job
from jobs.services.retention.forget_old import forget_old
from models_registry import selectors
from tests.support.admin import browser_of, ids_on, text_of
from tests.support.factories import make_dead, make_job, make_version
from tests.support.submit import submit_to

LIST = "/admin/jobs/job/"
INDEXED = {"metadata_index": ["tenant", "run"]}


@pytest.fixture
def browser(db: str) -> Browser:
    selectors.forget()
    return browser_of("view_job")


def seen(browser: Browser, query: str) -> set[UUID]:
    return ids_on(browser, f"{LIST}?{query}")


@pytest.mark.parametrize("state", ["", "&state=dead", "&state=dead&client=1"])
def test_dead_jobs_are_found_by_kind_and_code(browser: Browser, state: str) -> None:
    (bad, late), _ = make_dead(2), make_job()
    Job.objects.filter(pk=bad.pk).update(error_kind="invalid", error_code="too_long")
    DeadLetter.objects.filter(pk=bad.pk).update(kind="invalid", code="too_long")
    Job.objects.filter(pk=late.pk).update(error_kind="timeout", error_code="slow")
    DeadLetter.objects.filter(pk=late.pk).update(kind="timeout", code="slow")
    assert seen(browser, f"kind=invalid{state}") == {bad.pk}
    assert seen(browser, f"code=slow{state}") == {late.pk}
    assert seen(browser, f"code=slow&kind=invalid{state}") == set()


@pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING, State.DEAD, State.SUCCEEDED])
def test_jobs_are_found_by_version(browser: Browser, state: State) -> None:
    first, second = make_version("echo", "1"), make_version("echo", "2")
    one, two = make_job(state=state, version=first), make_job(state=state, version=second)
    assert seen(browser, f"version=echo:2&state={state.value}") == {two.pk}
    assert seen(browser, "version=echo:1") == {one.pk}


def test_jobs_are_found_by_their_times(browser: Browser) -> None:
    now = datetime.now(UTC)
    ages = {days: now - timedelta(days=days) for days in (1, 40, 80)}
    jobs = {
        days: make_job(id=uuid7(int(at.timestamp() * 1000), days), state=State.QUEUED)
        for days, at in ages.items()
    }
    since, until = (f"{now - timedelta(days=days):%Y-%m-%dT%H:%M:%S}" for days in (60, 20))
    for state in ("", "&state=queued"):
        assert seen(browser, f"since={since}{state}") == {jobs[1].pk, jobs[40].pk}
        assert seen(browser, f"until={until}{state}") == {jobs[40].pk, jobs[80].pk}
        assert seen(browser, f"since={since}&until={until}{state}") == {jobs[40].pk}


def test_jobs_are_found_by_a_field_of_their_metadata(browser: Browser) -> None:
    make_version("echo", options=INDEXED)
    ours = submit_to("echo", "a", metadata={"tenant": "acme", "run": 7, "note": "x"})
    theirs = submit_to("echo", "b", metadata={"tenant": "other"})
    submit_to("echo", "c")
    assert seen(browser, "label=echo:tenant&value=acme") == {ours.id}
    assert seen(browser, "label=echo:run&value=7&state=queued") == {ours.id}
    assert seen(browser, "label=echo:tenant&value=other&state=dead") == set()
    assert set(JobLabel.objects.values_list("job_id", "field", "value")) == {
        (ours.id, "tenant", "acme"), (ours.id, "run", "7"), (theirs.id, "tenant", "other"),
    }  # fmt: skip
    assert "tenant (echo)" in text_of(browser, LIST)


def test_no_field_of_encrypted_metadata_is_stored_in_clear(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = selectors.info(make_version("echo", options=INDEXED | {"encrypt": True}).pk)
    assert version.metadata_index == ()


def test_a_job_of_a_model_without_an_index_costs_no_statement_more(browser: Browser) -> None:
    counts = []
    for model, options in (("plain", {}), ("indexed", INDEXED)):
        make_version(model, options=options)
        submit_to(model, "warm")
        with CaptureQueriesContext(connection) as without:
            submit_to(model, "a", metadata={"note": "x"})
        counts.append(len(without.captured_queries))
    assert counts[0] == counts[1]
    assert not JobLabel.objects.exists()


def test_labels_go_with_an_erased_job_and_when_the_metadata_s_days_are_over(browser: Browser) -> None:
    make_version("echo", options=INDEXED)
    erased, old, kept = (submit_to("echo", text, metadata={"tenant": text}) for text in "abc")
    erase_job(job_id=erased.id, actor="olga", client_id=None)
    JobLabel.objects.filter(job_id=old.id).update(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    forget_old(actor="olga")
    assert list(JobLabel.objects.values_list("job_id", flat=True)) == [kept.id]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("kind=nonsense", "Select a valid choice"),
        ("version=echo:none", "no"),
        ("since=yesterday", "Enter a valid date/time"),
        ("since=2026-02-01T00:00:00&until=2026-01-01T00:00:00", "must be before"),
        ("value=acme", "Choose a field of the metadata"),
        ("label=echo:nonsense&value=x", "Select a valid choice"),
    ],
)
def test_an_unusable_filter_is_an_error_and_shows_no_job(browser: Browser, query: str, words: str) -> None:
    make_version("echo", options=INDEXED)
    make_job()
    assert seen(browser, query) == set()
    assert words in text_of(browser, f"{LIST}?{query}")
