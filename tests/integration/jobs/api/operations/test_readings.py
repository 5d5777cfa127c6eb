"""Pages watch the platform: a reading each second from the event loop, for as long as their session may."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from threading import Event as Stop
from time import monotonic

import psycopg
import pytest
from django.contrib.auth.models import User
from django.test import Client as Browser

from jobs.api.operations import watchers
from jobs.db.session import open_session
from jobs.services.admission.surveyor import QueueSurveyor
from tests.support.admin import browser_of
from tests.support.factories import make_jobs, make_worker
from tests.support.loop_road import LoopRoad, loop_road
from tests.support.wait import wait_until
from tests.support.watched_page import READINGS, SentEvent, WatchedPage, kinds_of, rows_of, watched

PAYLOAD = "an input that nobody else may see"


@pytest.fixture
def server(db: str) -> Iterator[LoopRoad]:
    make_jobs(3, body={"text": PAYLOAD}, priority=7)
    with open_session() as session:
        QueueSurveyor(stop=Stop()).survey(session)
    with loop_road() as road:
        yield road


def session_of(browser: Browser) -> str:
    return browser.cookies["sessionid"].value


def end_of(events: Iterator[SentEvent]) -> str:
    return next(str(event.data["reason"]) for event in events if event.name == "end")


def test_a_page_gets_a_reading_each_second_and_no_payload(server: LoopRoad) -> None:
    with watched(server, session_of(browser_of("view_operations"))) as page:
        assert (page.status, page.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        events = page.events()
        first = next(events)
        second = next(event for event in events if event.id != first.id)
    now = second.data["at"]
    assert (second.name, second.id) == ("reading", str(int(now)))
    assert now - first.data["at"] < 5.0, "about a second, where the machine has time"
    (echo,), (client,) = rows_of(second.data, "models"), rows_of(second.data, "clients")
    assert (echo[:2], client[1]) == (["echo", "3"], "3")
    assert {*kinds_of(second.data)} == {"relay", "no_recorder", "no_worker"}
    assert all(red["href"].startswith("/admin/jobs/") for red in second.data["red"])
    assert PAYLOAD not in json.dumps(second.data)


def test_who_may_not_watch_is_answered_as_the_admin_does(server: LoopRoad) -> None:
    with watched(server, "nobody") as page:
        assert (page.status, page.headers["location"]) == (302, f"/admin/login/?next={READINGS}")
    browser = browser_of("view_job")
    with watched(server, session_of(browser)) as page:
        assert page.status == 403
    stranger = Browser(SERVER_NAME="localhost")
    for path in ("reading", "history"):
        assert browser.get(f"/admin/operations/{path}").status_code == 403
        assert stranger.get(f"/admin/operations/{path}").status_code == 302


def test_only_a_get_is_answered(server: LoopRoad) -> None:
    page = WatchedPage(server, session_of(browser_of("view_operations")), method="POST")
    assert page.status in {403, 405}  # without a token of the form, Django refuses it first
    page.close()


def test_a_logout_or_a_lost_right_ends_the_stream_within_seconds(server: LoopRoad) -> None:
    leaving, losing = browser_of("view_operations", name="olga"), browser_of("view_operations", name="otto")
    with watched(server, session_of(leaving)) as olga, watched(server, session_of(losing)) as otto:
        of_olga, of_otto = olga.events(), otto.events()
        assert (next(of_olga).name, next(of_otto).name) == ("reading", "reading")
        leaving.logout()
        User.objects.get(username="otto").user_permissions.clear()
        assert (end_of(of_olga), end_of(of_otto)) == ("signed_out", "forbidden")
        assert (next(of_olga, None), next(of_otto, None)) == (None, None), "the answers have ended"


def connections(db: str) -> int:
    with psycopg.connect(db) as session:
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'operations'"
        (number,) = session.execute(query).fetchone() or (0,)
        return int(number)


def test_many_pages_share_a_reading_a_second_and_without_any_nothing_is_read(
    server: LoopRoad, db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert watchers.MOST_WATCHERS == 200
    monkeypatch.setattr(watchers, "MOST_WATCHERS", 8)
    wait_until(lambda: connections(db) == 0, what="the end of an earlier test's reader")
    key = session_of(browser_of("view_operations"))
    began = monotonic()
    with ExitStack() as pages:
        streams = [pages.enter_context(watched(server, key)).events() for _ in range(8)]
        sent = [[next(events) for _ in range(2)] for events in streams]
        readings = {event.id for events in sent for event in events}
        assert len(readings) <= monotonic() - began + 2, "all get the same readings"
        assert next(event for event in streams[0] if event.data["watchers"] == 8)
        assert connections(db) == 1
        with watched(server, key) as refused:
            assert (refused.status, refused.headers["retry-after"]) == (503, "30")
            assert "8 pages" in json.loads(refused.body)["detail"]
    wait_until(lambda: connections(db) == 0, what="the end of the reader")


def test_a_reading_that_grows_old_says_so_and_the_stream_goes_on(server: LoopRoad, db: str) -> None:
    with watched(server, session_of(browser_of("view_operations"))) as page:
        events = page.events()
        assert next(event for event in events if rows_of(event.data, "models"))
        with psycopg.connect(db) as session:
            session.execute("LOCK TABLE jobs_queuestanding IN ACCESS EXCLUSIVE MODE")
            old = next(event.data for event in events if event.data["age_s"] > 3.5)
            assert kinds_of(old)[0] == "database"
            parts = {part: state for part, state, *_ in rows_of(old, "parts")}
            assert (parts["database"], len(rows_of(old, "models"))) == ("does not work", 1)
            session.rollback()
        again = next(event.data for event in events if event.data["age_s"] < 1.5)
        assert "database" not in kinds_of(again)


def test_a_reading_and_the_history_come_as_json(db: str) -> None:
    browser = browser_of("view_operations")
    make_worker(memory_used_bytes=31_400_000_000, memory_total_bytes=141_000_000_000)
    read = "/admin/operations/reading"
    (worker,) = wait_until(
        lambda: browser.get(read).json()["workers"], what="a reading after the last test's"
    )
    assert (worker["memory_used_bytes"], worker["memory_total_bytes"]) == (31_400_000_000, 141_000_000_000)
    reading = browser.get(read).json()
    assert (reading["window_s"], reading["watchers"]) == (60, 0)
    history = browser.get("/admin/operations/history?span=day").json()
    assert (history["step_s"], len(history["at"]), set(history["p95_s"])) == (60, 1_440, {None})
    assert history["age_s"] is None
    assert browser.get("/admin/operations/history?span=week").status_code == 400
    assert browser.post("/admin/operations/history").status_code == 405
