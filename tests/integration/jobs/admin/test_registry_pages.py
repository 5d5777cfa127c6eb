"""The registry's pages: where a version is served, how fast and how it fails; an alias is moved by button."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client as Browser

from jobs.admin.registry_pages.version_page import WORKERS_SHOWN
from jobs.models import Batch, Event, Job
from models_registry.models import Alias, ModelVersion, Promotion, VersionLoad
from models_registry.services import move_alias
from tests.support.admin import ADDRESS, browser_of, text_of
from tests.support.factories import make_batch, make_job, make_version, make_worker

VERSIONS, ALIASES = "/admin/models_registry/modelversion", "/admin/models_registry/alias"
VIEW = ("view_alias", "view_modelversion", "view_promotion")


@pytest.fixture
def version(db: str) -> ModelVersion:
    return make_version("echo", "1")


@pytest.fixture
def alias(version: ModelVersion) -> Alias:
    make_version("echo", "2")
    for to in ("1", "2"):
        move_alias(name="echo", alias="default", version=to, actor="a command")
    return Alias.objects.select_related("version").get(name="default")


@pytest.fixture
def mover(db: str) -> Browser:
    return browser_of(*VIEW, "move_alias", name="mona", csrf=False)


def ran(version: ModelVersion, size: int, seconds: float) -> Job:
    job = make_job(version=version)
    worker = make_worker()
    batch = make_batch(worker, version, [job])
    Batch.objects.filter(pk=batch.pk).update(size=size, ran_s=seconds, finished_at=batch.claimed_at)
    return job


def version_of(alias: Alias) -> str:
    return Alias.objects.select_related("version").get(pk=alias.pk).version.version


def answers(to: str, seen: str, reason: str = "the new one is wrong") -> dict[str, str]:
    return {"to": to, "seen": seen, "reason": reason}


def test_a_version_shows_what_is_loaded_where_and_why_it_is_not(
    browser: Browser, version: ModelVersion
) -> None:
    for node in ("gpu-0@tests", "gpu-1@tests"):
        make_worker(node, model_names=["echo"])
    make_worker("gpu-2@tests", model_names=["another"])
    gone = [VersionLoad(version=version, node=f"gone-{at}", state="ready") for at in range(WORKERS_SHOWN)]
    VersionLoad.objects.bulk_create(gone)
    ready = {"state": "ready", "memory_bytes": 90 * 2**20, "load_s": 1.5}
    VersionLoad.objects.create(version=version, node="gpu-0@tests", **ready)
    VersionLoad.objects.create(version=version, node="gpu-1@tests", state="failed", reason="<no such file>")
    page = text_of(browser, f"{VERSIONS}/{version.pk}/change/")
    assert "gpu-0@tests" in page
    assert "<td>90.0\xa0MB</td><td>1.5 s</td>" in page
    assert "&lt;no such file&gt;" in page
    assert "gpu-2@tests" not in page


def test_a_version_without_batches_or_workers_says_so(browser: Browser, version: ModelVersion) -> None:
    page = text_of(browser, f"{VERSIONS}/{version.pk}/change/")
    assert "no live worker serves this model" in page
    assert "service-time.svg" not in page
    assert browser.get(f"{VERSIONS}/{version.pk}/service-time.svg").status_code == 404


def test_service_times_are_a_picture_and_a_table_with_a_line(browser: Browser, version: ModelVersion) -> None:
    for size, seconds in ((1, 0.012), (2, 0.014), (4, 0.018), (8, 0.026)):
        ran(version, size, seconds)
    ran(make_version("other"), 8, 5.0)
    page = text_of(browser, f"{VERSIONS}/{version.pk}/change/")
    assert "The newest 4 batches; fitted line: 10.0 ms and 2.0 ms for each job" in page
    rows = re.findall(r"<tr><td>(\d+|\d+ to \d+)</td><td>1</td>", page)
    assert rows == ["1", "2", "3 to 4", "5 to 8"]
    picture: Any = browser.get(f"{VERSIONS}/{version.pk}/service-time.svg")
    assert picture["Content-Type"] == "image/svg+xml"
    assert b"fitted line" in picture.content


def test_failures_of_a_day_are_counted_by_kind(browser: Browser, version: ModelVersion) -> None:
    job, other = make_job(version=version), make_job(version=make_version("other"))
    for of, kind, code in (
        (job, "transient", "busy"),
        (job, "transient", "busy"),
        (other, "poison", "spoilt"),
    ):
        detail = {"kind": kind, "code": code, "message": "secret"}
        Event.objects.create(job=of, kind="failed", actor="worker", epoch=1, detail=detail)
    page = text_of(browser, f"{VERSIONS}/{version.pk}/change/")
    assert "<td>transient</td><td>busy</td><td>2</td>" in page
    assert "spoilt" not in page
    assert "secret" not in page


def test_an_alias_is_rolled_back_by_button_with_a_reason(mover: Browser, alias: Alias) -> None:
    page = text_of(mover, f"{ALIASES}/{alias.pk}/change/")
    assert "Roll back to 1…" in page
    ask = text_of(mover, f"{ALIASES}/{alias.pk}/move/?to=1")
    assert 'name="reason"' in ask
    assert version_of(alias) == "2", "a GET moves nothing"
    mover.post(f"{ALIASES}/{alias.pk}/move/", answers("1", "2"))
    assert version_of(alias) == "1"
    move = Promotion.objects.order_by("-id")[0]
    assert (move.before, move.after, move.actor, move.address, move.reason) == (
        "2", "1", "mona", ADDRESS, "the new one is wrong",
    )  # fmt: skip
    event = Event.objects.filter(kind="registry", actor="mona").get()
    assert (event.detail["reason"], event.address) == ("the new one is wrong", ADDRESS)
    assert "the new one is wrong" in text_of(mover, f"{ALIASES}/{alias.pk}/change/")


def test_a_move_needs_a_reason_and_a_version_that_exists(mover: Browser, alias: Alias) -> None:
    for refused, status in (({**answers("1", "2"), "reason": "  "}, 200), (answers("9", "2"), 302)):
        assert mover.post(f"{ALIASES}/{alias.pk}/move/", refused).status_code == status
    assert mover.get(f"{ALIASES}/{alias.pk}/move/?to=9").status_code == 404
    assert version_of(alias) == "2"


def test_a_move_from_an_old_page_is_refused(mover: Browser, alias: Alias) -> None:
    make_version("echo", "3")
    answer = mover.post(f"{ALIASES}/{alias.pk}/move/", answers("3", "1"), follow=True)
    assert "was moved since you opened the page" in answer.content.decode()
    assert version_of(alias) == "2"


def test_who_may_only_look_sees_no_button_and_moves_nothing(alias: Alias) -> None:
    viewer = browser_of(*VIEW, name="vera")
    page = text_of(viewer, f"{ALIASES}/{alias.pk}/change/")
    assert "Roll back" not in page
    assert "Promote" not in page
    assert "a command" in page, "the history is for whoever may look"
    for answer in (
        viewer.get(f"{ALIASES}/{alias.pk}/move/?to=1"),
        viewer.post(f"{ALIASES}/{alias.pk}/move/", answers("1", "2")),
    ):
        assert answer.status_code == 403
    assert version_of(alias) == "2"


def test_a_move_without_a_token_of_the_form_is_refused(alias: Alias) -> None:
    strict = browser_of(*VIEW, "move_alias", name="carl", csrf=True)
    assert strict.post(f"{ALIASES}/{alias.pk}/move/", answers("1", "2")).status_code == 403
    assert version_of(alias) == "2"


def test_a_move_waits_for_workers_unless_it_is_to_be_at_once(mover: Browser, alias: Alias) -> None:
    make_worker("gpu-0@tests", model_names=["echo"])
    page = f"{ALIASES}/{alias.pk}/move/"
    assert "Workers load echo:1 first." in mover.post(page, answers("1", "2"), follow=True).content.decode()
    assert version_of(alias) == "2"
    assert "to 1, by mona" in text_of(mover, f"{ALIASES}/{alias.pk}/change/")
    mover.post(page, {**answers("1", "2"), "now": "on"})
    assert version_of(alias) == "1"
