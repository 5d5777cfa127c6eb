"""The dead letters' pages: their content, and the rights that it needs."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client as Browser
from django.utils import timezone

from jobs.models import DeadLetter, DeadLetterQueueSize, Event, Job, JobInput
from models_registry import selectors
from tests.support.admin import browser_of, ids_on, text_of
from tests.support.factories import make_dead, make_job, make_version

LETTERS = "/admin/jobs/deadletter/"
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
OLD, NEW = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _fresh(db: str) -> None:
    selectors.forget()


def dead(count: int = 1, *, body: Any = None, model: str = "echo", **letter: Any) -> list[Job]:
    return make_dead(count, model=model, body=body, **({"code": "bad_item"} | letter))


def listed(browser: Browser, query: str = "") -> set[Any]:
    return ids_on(browser, f"{LETTERS}{query}")


def queue_rows(browser: Browser) -> list[str]:
    """Return the rows of the table of queues as text."""
    table = text_of(browser, LETTERS).partition('<table id="queues">')[2].partition("</table>")[0]
    rows = (re.sub(r"<[^>]+>", " ", row) for row in table.split("<tr>")[2:])
    return [" ".join(row.split()) for row in rows]


def counted(age: timedelta, **size: Any) -> None:
    DeadLetterQueueSize.objects.create(model="echo", counted_at=timezone.now() - age, **size)


def test_a_queue_that_no_relay_has_counted_says_so(browser: Browser) -> None:
    dead(2)
    (row,) = queue_rows(browser)
    assert row.startswith("echo 2 2 ")
    assert row.endswith("not counted yet: no relay has looked")


def test_the_broker_s_count_is_shown_with_its_age(browser: Browser) -> None:
    dead(2)
    counted(timedelta(seconds=3), messages=88)
    (row,) = queue_rows(browser)
    assert row.startswith("echo 2 2 88 3 s ago more messages than rows")
    assert "purge-stale" in row


@pytest.mark.parametrize(
    ("age", "messages", "doubt"),
    [(timedelta(minutes=5), 2, "an old count"), (timedelta(seconds=1), None, "has no such queue")],
)
def test_an_uncertain_count_comes_with_the_reason(
    browser: Browser, age: timedelta, messages: int | None, doubt: str
) -> None:
    dead(2)
    counted(age, messages=messages)
    assert doubt in queue_rows(browser)[0]


def test_groups_show_how_many_and_when_and_a_click_narrows_to_the_group(browser: Browser) -> None:
    first = dead(2, fingerprint="poison:a:-", created_at=OLD)
    last = dead(1, fingerprint="poison:a:-", created_at=NEW)
    dead(1, fingerprint="poison:b:-")
    response: Any = browser.get(LETTERS)
    assert "4 dead letters in 2 groups" in " ".join(response.content.decode().split())
    group, query, *_ = response.context_data["grouped"][0]
    assert (group.count, group.first_seen, group.last_seen) == (3, OLD, NEW)
    assert f'href="?{query.replace("&", "&amp;")}"' in response.content.decode()
    assert listed(browser, f"?{query}") == {job.id for job in first + last}


FILTERS = [
    ("?model=other", "model"),
    ("?kind=timeout", "kind"),
    ("?fingerprint=poison:other:-", "fingerprint"),
    ("?until=2026-01-02T00:00", "old"),
    ("?since=2026-01-02T00:00&until=2026-02-02", "new"),
]


@pytest.mark.parametrize(("query", "which"), FILTERS)
def test_a_filter_narrows_list_and_groups_alike(browser: Browser, query: str, which: str) -> None:
    made = {
        "plain": dead(1), "model": dead(2, model="other"), "kind": dead(2, kind="timeout"),
        "fingerprint": dead(2, fingerprint="poison:other:-"), "old": dead(2, created_at=OLD),
        "new": dead(2, created_at=NEW),
    }  # fmt: skip
    response: Any = browser.get(f"{LETTERS}{query}")
    assert listed(browser, query) == {job.id for job in made[which]}
    assert response.context_data["groups"].dead_letters == 2
    assert listed(browser) == {job.id for jobs in made.values() for job in jobs}


@pytest.mark.parametrize("query", ["?since=yesterday", "?kind=nonsense", "?model=nobody"])
def test_an_unusable_filter_gives_an_error_and_an_empty_list(browser: Browser, query: str) -> None:
    dead(2)
    assert listed(browser, query) == set()
    text = text_of(browser, f"{LETTERS}{query}")
    assert "errorlist" in text
    assert "all that match…" not in text


def test_a_discarded_dead_letter_is_in_no_list_but_has_its_page(browser: Browser) -> None:
    (job,) = dead(discarded_at=timezone.now())
    assert listed(browser) == set()
    assert listed(browser, f"?q={job.id}") == {job.id}
    text = text_of(browser, f"{LETTERS}{job.id}/change/")
    assert "was discarded" in text
    assert f"{job.id}/discard/" not in text


def test_pages_of_a_group_keep_its_filter(browser: Browser) -> None:
    made = dead(130, fingerprint="poison:a:-")
    dead(5)
    query = "?model=echo&kind=poison&fingerprint=poison:a:-"
    assert listed(browser, query) | listed(browser, f"{query}&p=2") == {job.id for job in made}
    response: Any = browser.get(f"{LETTERS}{query}")
    assert listed(browser, response.context_data["cl"].older_link) == listed(browser, f"{query}&p=2")


def test_a_dead_letter_s_page_shows_history_and_traceback_but_not_the_input(browser: Browser) -> None:
    tried = [{"at": "2026-01-01T10:00:00+00:00", "epoch": 1, "kind": "transient", "code": "first_try"}]
    (job,) = dead(
        body={"secret": "sesame"},
        history=tried,
        traceback="Traceback\n  <b>m.py</b>",
        message="no <such> word",
    )
    text = text_of(browser, f"{LETTERS}{job.id}/change/")
    for shown in (
        "first_try",
        "transient",
        "&lt;b&gt;m.py",
        "no &lt;such&gt; word",
        "bad_item",
        "not confirmed",
    ):
        assert shown in text, shown
    assert "sesame" not in text
    assert Event.objects.get().kind == "view_payload"  # a traceback may quote the input


def test_a_dead_letter_s_page_predicts_a_replay(browser: Browser) -> None:
    make_version("strict", input_schema=SCHEMA)
    (bad,), (good,) = dead(body={"n": "x"}, model="strict"), dead(body={"n": 1}, model="strict")
    Job.objects.filter(id=good.id).update(deadline=timezone.now() - timedelta(hours=1))
    assert "1 input would be refused by its version" in text_of(browser, f"{LETTERS}{bad.id}/change/")
    text = text_of(browser, f"{LETTERS}{good.id}/change/")
    assert "Every input matches its version" in text
    assert "1 deadline passed" in text


def test_the_input_is_shown_to_users_with_the_right_and_the_view_is_audited(browser: Browser) -> None:
    (job,) = dead(body={"secret": "sesame"})
    answer = browser.post(f"{LETTERS}{job.id}/input/")
    assert "sesame" in answer.content.decode()
    event = Event.objects.get()
    assert (event.kind, event.actor, event.job_id) == ("view_payload", "olga", job.id)
    assert browser.get(f"{LETTERS}{job.id}/input/").status_code == 302
    assert Event.objects.count() == 1


def test_a_viewer_sees_the_dead_letter_and_nothing_else() -> None:
    make_version("strict", input_schema=SCHEMA)
    (job,) = dead(body={"n": "sesame"}, model="strict", message="sesame", traceback="sesame")
    viewer = browser_of("view_deadletter")
    for page in (LETTERS, f"{LETTERS}{job.id}/change/"):
        text = text_of(viewer, page)
        assert "bad_item" in text
        assert "sesame" not in text
        for offered in ("/replay/", "/discard/", "/input/", "Replay the selected"):
            assert offered not in text, (page, offered)
    for page in ("input/", "replay/", "discard/"):
        assert viewer.post(f"{LETTERS}{job.id}/{page}").status_code == 403
    for page in ("replay/", "discard/"):
        assert viewer.get(f"{LETTERS}{page}").status_code == 403
        assert viewer.post(f"{LETTERS}{page}", {"confirm": "yes"}).status_code == 403
    unchanged()


def test_a_user_with_only_the_right_to_payloads_cannot_edit() -> None:
    (job,) = dead(body={"secret": "sesame"})
    reader = browser_of("view_deadletter", "view_payload")
    text = reader.post(f"{LETTERS}{job.id}/input/").content.decode()
    assert "sesame" in text
    assert "<textarea" not in text
    for button in ("check", "replay"):
        answer = reader.post(f"{LETTERS}{job.id}/input/", {"text": "{}", button: "yes"})
        assert answer.status_code == 403
    assert Event.objects.get().kind == "view_payload"


def test_an_operator_without_the_right_to_payloads_sees_no_input() -> None:
    make_version("strict", input_schema=SCHEMA)
    (job,) = dead(body={"n": "sesame"}, model="strict", message="sesame", traceback="sesame")
    actor = browser_of("view_deadletter", "change_job")
    for page in (f"{job.id}/change/", "replay/?model=strict", "", f"{job.id}/history/"):
        text = text_of(actor, f"{LETTERS}{page}")
        assert ("would be refused" in text) is (page in {f"{job.id}/change/", "replay/?model=strict"})
        assert "sesame" not in text, page
    assert actor.post(f"{LETTERS}{job.id}/input/").status_code == 403
    assert actor.post(f"{LETTERS}{job.id}/input/", {"text": "{}", "replay": "yes"}).status_code == 403


def test_a_user_without_the_right_to_view_is_refused() -> None:
    (job,) = dead()
    stranger = browser_of("change_job", "view_payload")
    for page in ("", f"{job.id}/change/", "replay/", "discard/"):
        assert stranger.get(f"{LETTERS}{page}").status_code == 403
    for page in ("replay/", "discard/", f"{job.id}/replay/", f"{job.id}/discard/", f"{job.id}/input/"):
        assert stranger.post(f"{LETTERS}{page}", {"confirm": "yes"}).status_code == 403
    unchanged()


@pytest.mark.parametrize("page", ["replay/", "discard/", "input/"])
def test_nothing_is_done_without_a_csrf_token(page: str) -> None:
    (job,) = dead()
    careless = browser_of(csrf=True)
    for path in (f"{LETTERS}{job.id}/{page}", f"{LETTERS}{page}" if page != "input/" else LETTERS):
        assert careless.post(path, {"confirm": "yes"}).status_code == 403
    unchanged()


@pytest.mark.parametrize("page", ["replay/", "discard/"])
def test_nothing_is_done_by_a_get(browser: Browser, page: str) -> None:
    (job,) = dead()
    assert browser.get(f"{LETTERS}{job.id}/{page}").status_code == 405
    assert browser.get(f"{LETTERS}{page}?confirm=yes").status_code == 200
    unchanged()


def unchanged() -> None:
    assert set(Job.objects.values_list("state", flat=True)) == {"dead"}
    assert not DeadLetter.objects.filter(discarded_at__isnull=False).exists()
    assert not Event.objects.exists()


@pytest.mark.parametrize(
    "body", [b"x" * 300_000, b'"\\ud800"', b"[" * 9_000 + b"]" * 9_000, b"\xff", b"9" * 5_000]
)
def test_any_stored_input_is_shown_and_a_long_one_by_its_beginning(browser: Browser, body: bytes) -> None:
    (job,) = dead()
    JobInput.objects.filter(job=job).update(body=body)
    text_of(browser, f"{LETTERS}{job.id}/change/")
    answer = browser.post(f"{LETTERS}{job.id}/input/")
    assert answer.status_code == 200
    assert ("of 300,000 bytes" in answer.content.decode()) is (len(body) == 300_000)


def test_a_live_job_has_no_dead_letter(browser: Browser) -> None:
    job = make_job()
    assert browser.get(f"{LETTERS}{job.id}/change/").status_code == 302
    browser.post(f"{LETTERS}{job.id}/replay/")
    browser.post(f"{LETTERS}{job.id}/discard/")
    assert not Event.objects.exists()
