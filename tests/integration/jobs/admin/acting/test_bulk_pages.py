"""Acts on all that match are previewed, started, watched and stopped on pages."""

from __future__ import annotations

import re

import pytest
from django.test import Client as Browser

from jobs.core.states import State
from jobs.models import BulkAct, Job
from jobs.models import Event as EventRow
from jobs.services.bulk_acts.slices import take_slices
from models_registry import selectors
from models_registry.models import Alias
from tests.support.admin import browser_of, text_of
from tests.support.factories import count_by_state, make_dead, make_job, make_jobs, make_version

JOBS, LETTERS, ACTS = "/admin/jobs/job/", "/admin/jobs/deadletter/", "/admin/jobs/bulkact/"


@pytest.fixture
def operator(db: str) -> Browser:
    selectors.forget()
    return browser_of("view_job", "change_job", "view_deadletter", "view_bulkact")


def seen(browser: Browser, page: str) -> str:
    """Return what the form of a preview carries."""
    fields = re.search('name="seen" value="([^"]+)"', text_of(browser, page))
    assert fields is not None
    return fields[1]


def begin(browser: Browser, page: str, rate: str = "1000") -> str:
    """Look at the preview and start the act; return the page that follows."""
    answer = browser.post(page, {"rate": rate, "seen": seen(browser, page)}, follow=True)
    return answer.content.decode()


def test_all_queued_jobs_of_a_model_are_cancelled(operator: Browser) -> None:
    make_jobs(3)
    make_jobs(2, model="other")
    assert 'href="all/cancel/?model=echo"' in text_of(operator, f"{JOBS}?model=echo")
    page = text_of(operator, f"{JOBS}all/cancel/?model=echo")
    assert "3 jobs match now" in page
    assert re.search(r"<td>since</td><td[^>]*><time datetime=", page)
    assert count_by_state() == {"queued": 5}
    assert "It has begun" in begin(operator, f"{JOBS}all/cancel/?model=echo")
    act = BulkAct.objects.get()
    assert (act.actor, act.total, act.rate_per_s) == ("olga", 3, 1000)
    text = text_of(operator, f"{ACTS}{act.pk}/change/")
    assert "page-refresh-s" in text
    assert 'value="0"' in text
    take_slices()
    text = text_of(operator, f"{ACTS}{act.pk}/change/")
    assert "page-refresh-s" not in text
    assert 'value="100"' in text
    assert "finished" in text_of(operator, ACTS)
    assert count_by_state() == {"cancelled": 3, "queued": 2}


def test_an_act_is_stopped_by_its_button(operator: Browser) -> None:
    make_jobs(5)
    begin(operator, f"{JOBS}all/cancel/", "1")
    take_slices()
    act = BulkAct.objects.get()
    assert operator.get(f"{ACTS}{act.pk}/stop/").status_code == 405
    assert "It is stopped" in operator.post(f"{ACTS}{act.pk}/stop/", follow=True).content.decode()
    assert "has ended already" in operator.post(f"{ACTS}{act.pk}/stop/", follow=True).content.decode()
    act.refresh_from_db()
    assert (act.state, act.done) == ("stopped", 1)


@pytest.mark.parametrize(("verb", "states"), [("replay", {"queued": 2, "dead": 1}), ("discard", {"dead": 3})])
def test_dead_letters_of_a_group_are_acted_on_in_the_background(
    operator: Browser, verb: str, states: dict[str, int]
) -> None:
    make_dead(2, fingerprint="poison:a:-")
    make_dead(1, fingerprint="poison:b:-")
    query = "model=echo&kind=poison&fingerprint=poison:a:-"
    assert "2 jobs match now" in text_of(operator, f"{LETTERS}all/{verb}/?{query}")
    begin(operator, f"{LETTERS}all/{verb}/?{query}")
    take_slices()
    assert BulkAct.objects.get().done == 2
    assert count_by_state() == states


@pytest.mark.parametrize(
    "query",
    [
        "state=succeeded", "kind=nonsense", "since=yesterday", "state=dead", "state=quued", "client=abc",
        "priority=99999999999", "when=today", "modle=echo", f"model={'x' * 64}",
        "q=01a227e8-da33-72bd-b0fd-c93e9cd4d4cc",
    ],
)  # fmt: skip
def test_what_a_filter_cannot_mean_starts_nothing(operator: Browser, query: str) -> None:
    make_job()
    answer = operator.get(f"{JOBS}all/cancel/?{query}", follow=True)
    assert "Choose filters that can be read" in answer.content.decode()
    assert not BulkAct.objects.exists()


def test_a_list_whose_filters_are_not_those_of_an_act_offers_none(operator: Browser) -> None:
    job = make_job()
    for query in (f"q={job.id}", "state=quued", "client=abc"):
        assert "all/cancel/" not in text_of(operator, f"{JOBS}?{query}")
    assert "Choose filters" in operator.get(f"{LETTERS}all/discard/?modle=x", follow=True).content.decode()


def test_an_act_is_for_what_its_preview_showed_and_nothing_that_came_since(operator: Browser) -> None:
    version = make_version("echo", "1")
    Alias.objects.create(model=version.model, name="live", version=version)
    make_jobs(2, version=version)
    page = f"{JOBS}all/cancel/?version=echo@live"
    shown = seen(operator, page)
    other = make_version("echo", "2")
    Alias.objects.filter(name="live").update(version=other)
    selectors.forget()
    later = make_jobs(1, version=version) + make_jobs(4, version=other)
    assert (
        "It has begun" in operator.post(page, {"rate": "1000", "seen": shown}, follow=True).content.decode()
    )
    take_slices()
    assert count_by_state() == {"cancelled": 2, "queued": 5}
    assert Job.objects.filter(state=State.QUEUED, pk__in=[job.pk for job in later]).count() == 5


@pytest.mark.parametrize("spoilt", ["", "nonsense", "another act's"])
def test_a_preview_that_is_not_this_act_s_starts_nothing(operator: Browser, spoilt: str) -> None:
    make_job()
    make_dead(1)
    carried = seen(operator, f"{LETTERS}all/discard/?") if spoilt == "another act's" else spoilt
    answer = operator.post(f"{JOBS}all/cancel/", {"rate": "1", "seen": carried})
    assert "1 job matches now" in answer.content.decode()
    assert not BulkAct.objects.exists()


def test_a_long_user_name_is_cut_in_rows_as_it_is_in_the_audit(operator: Browser) -> None:
    make_jobs(1)
    name = "u" * 150
    assert "It has begun" in begin(browser_of(name=name), f"{JOBS}all/cancel/")
    act = BulkAct.objects.get()
    assert act.actor == name[:127]
    browser_of(name=f"{name[:149]}v").post(f"{ACTS}{act.pk}/stop/")
    act.refresh_from_db()
    assert act.state == "stopped"


@pytest.mark.parametrize("rate", ["0", "-1", "nan", "fast", "", "1e9"])
def test_an_unusable_rate_starts_nothing(operator: Browser, rate: str) -> None:
    make_job()
    page = f"{JOBS}all/cancel/"
    assert operator.post(page, {"rate": rate, "seen": seen(operator, page)}).status_code == 200
    assert not BulkAct.objects.exists()


def test_who_may_only_look_starts_and_stops_nothing(operator: Browser) -> None:
    make_jobs(5)
    begin(operator, f"{JOBS}all/cancel/", "1")
    act = BulkAct.objects.get()
    viewer = browser_of("view_job", "view_deadletter", "view_bulkact", name="vera")
    assert "all/cancel/" not in text_of(viewer, JOBS)
    for page in (f"{JOBS}all/cancel/", f"{JOBS}all/replay/?state=dead", f"{LETTERS}all/discard/"):
        assert viewer.post(page, {"rate": "1", "total": "5"}).status_code == 403
    assert (
        "</button>" not in text_of(viewer, f"{ACTS}{act.pk}/change/").split('class="letters live"')[1][:300]
    )
    assert viewer.post(f"{ACTS}{act.pk}/stop/").status_code == 403
    assert BulkAct.objects.filter(state="running").count() == 1
    assert Job.objects.filter(state=State.QUEUED).count() == 5
    assert EventRow.objects.filter(kind="bulk_act").count() == 1
