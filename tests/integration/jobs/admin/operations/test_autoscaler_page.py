"""An autoscaler's page: what it decided and why, its workers, its dead starts, and whether it still looks."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest
from django.test import Client as Browser
from django.utils import timezone

from jobs.models import QueueStanding
from tests.support.admin import browser_of, text_of
from tests.support.factories import make_worker
from tests.support.shown_platform import make_autoscaler

LIST = "/admin/jobs/autoscaler/"


def cells(page: str) -> dict[str, str]:
    """Return the text of each cell of the list's only row, by its column."""
    found = re.findall(r'<t[dh] class="field-(\w+)[^"]*">(.*?)</t[dh]>', page, flags=re.DOTALL)
    return {name: unescape(re.sub(r"<[^>]*>", "", cell)).strip() for name, cell in found}


def test_the_list_shows_the_number_its_last_change_and_why(browser: Browser) -> None:
    make_autoscaler(zone="a", draining=1)
    row = cells(text_of(browser, LIST))
    shown = ("host", "zone", "status", "models_served", "bounds", "target")
    assert [row[name] for name in shown] == ["gpu1", "a", "alive", "echo", "0 to 2", "2"]
    assert row["why"] == "The models need 2."
    assert row["workers"] == "1 serving, 1 starting, 1 draining"
    assert re.fullmatch(r"1 → 2, \d{4}-.* UTC \d+ s ago", row["last_decision"])
    assert row["looked"].endswith("ago")
    assert row["dead_starts"] == "-"


@pytest.mark.parametrize(("left_s", "when"), [(90, r"in (89|90) s"), (-1, "allowed"), (None, "allowed")])
def test_dead_starts_say_when_the_next_one_may_be(browser: Browser, left_s: float | None, when: str) -> None:
    until = None if left_s is None else timezone.now() + timedelta(seconds=left_s)
    make_autoscaler(deaths=3, paused_until=until)
    shown = cells(text_of(browser, LIST))["dead_starts"]
    assert re.fullmatch(f"3 in a row; next start {when}", shown), shown


def test_one_that_is_silent_and_one_that_has_ended_are_not_shown_as_alive(browser: Browser) -> None:
    autoscaler = make_autoscaler(deaths=1, heartbeat_at=timezone.now() - timedelta(seconds=60))
    assert re.fullmatch(r"silent for 6\d s", cells(text_of(browser, LIST))["status"])
    autoscaler.ended_at = timezone.now()
    autoscaler.save()
    row = cells(text_of(browser, LIST))
    assert [row[name] for name in ("status", "workers", "why", "dead_starts")] == ["ended", "-", "-", "-"]


def test_its_page_shows_what_each_model_needs_and_links_the_workers_of_its_places(browser: Browser) -> None:
    make_autoscaler(model_names=["echo", "minilm"], start_s=20.0)
    QueueStanding.objects.create(
        model="echo", waiting=[3] * 10, head_age_s=[1.0] * 10, workers_load=1.25, workers=1, worker_per_s=9.5
    )
    worker = make_worker("gpu-1@gpu1")
    page = text_of(browser, f"{LIST}gpu1/change/")
    assert "Autoscaler of gpu1" in page
    echo, minilm, *places = (
        re.findall(r"<td>(.*?)</td>", row) for row in re.findall(r"<tr><td>.*?</tr>", page)
    )
    assert echo[:5] == ["echo", "30", "1.25", "1", "9.5 jobs a second"]
    assert minilm == ["minilm", "-", "-", "-", "-", "-"]
    assert [place[1] for place in places] == ["-", "cpu"]
    assert f"/admin/jobs/worker/{worker.pk}/change/" in places[1][0]
    assert "20.0 s" in page


def test_only_the_right_to_view_opens_it_and_none_changes_it(db: str) -> None:
    make_autoscaler()
    other, viewer = browser_of("view_worker", name="wim"), browser_of("view_autoscaler", name="vera")
    for page in (LIST, f"{LIST}gpu1/change/"):
        assert (other.get(page).status_code, viewer.get(page).status_code) == (403, 200)
    assert viewer.post(f"{LIST}gpu1/change/", {"target": "9"}).status_code == 403
    assert browser_of(name="root").get(f"{LIST}add/").status_code == 403
