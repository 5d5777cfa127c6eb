"""Flags in the admin: expired ones marked, each change as a difference, and buttons for those who may."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any

import pytest
from django.test import Client as Browser

from jobs.models import Event
from models_registry import selectors
from models_registry.models import Flag, FlagChange
from models_registry.services.flags import remove_flag
from tests.support.admin import ADDRESS, browser_of, ids_on, text_of
from tests.support.flags import OWNED, flag
from tests.support.rules import rule, two_versions
from tests.support.submit import submit_to

FLAGS, CHANGES = "/admin/models_registry/flag/", "/admin/models_registry/flagchange/"
VIEW = ("view_flag", "view_flagchange")


@pytest.fixture(autouse=True)
def fresh(db: str) -> None:
    selectors.forget()


@pytest.fixture
def steerer(db: str) -> Browser:
    return browser_of(*VIEW, "roll_out", name="sam")


@pytest.fixture
def viewer(db: str) -> Browser:
    return browser_of(*VIEW, name="vera")


def put(browser: Browser, path: str, document: Any, *, step: str = "put", **more: Any) -> str:
    """Send the form as a person would, and return the page that follows."""
    page = text_of(browser, path)
    number = re.search(r'name="number" value="(\d+)"', page)
    name = re.search(r'name="name" value="([^"]*)"', page)
    assert number
    form = {"name": name[1] if name else "beta", "document": json.dumps(document), "reason": "because",
            "number": number[1], "step": step, **more}  # fmt: skip
    return unescape(browser.post(path, form, follow=True).content.decode())


def test_the_list_marks_expired_flags_and_can_show_them_alone(viewer: Browser) -> None:
    flag(share=0.1, clients=["app"])
    old = flag("old")
    Flag.objects.filter(pk=old.pk).update(expires_at="2001-01-01T00:00:00Z")
    page = text_of(viewer, FLAGS)
    assert page.count(">expired</span>") == 1
    assert "10 %, and 1 clients" in page
    assert ids_on(viewer, f"{FLAGS}?expired=yes") == {old.pk}
    assert len(ids_on(viewer, f"{FLAGS}?expired=no")) == 1


def test_a_page_has_its_users_and_its_history_as_differences(viewer: Browser) -> None:
    two_versions()
    row = flag(share=0.1)
    flag(share=0.2)
    rule(cohorts=[{"flag": "beta", "arm": "candidate"}])
    page = text_of(viewer, f"{FLAGS}{row.pk}/change/")
    assert "echo@default" in page
    assert re.search(r"<strong>share</strong> <del>.*?10 %</del> <ins>.*?20 %</ins>", page)
    switch = flag("cache", on=False)
    assert "a switch of the platform" in text_of(viewer, f"{FLAGS}{switch.pk}/change/")


def test_the_history_says_which_flags_were_in_force_at_a_moment_and_who_decided(viewer: Browser) -> None:
    flag(share=0.1)
    flag(share=0.2)
    remove_flag(name="beta", actor="otto", reason="done")
    first, second, _ = FlagChange.objects.order_by("number")
    page = text_of(viewer, f"{CHANGES}?at={second.at:%Y-%m-%dT%H:%M:%S.%f}")
    assert "<td>20 %</td>" in page
    assert "removed" in page
    assert "<td>10 %</td>" in text_of(viewer, f"{CHANGES}?at={first.at:%Y-%m-%dT%H:%M:%S.%f}")
    assert "No flag was in force then" in text_of(viewer, f"{CHANGES}?at=2001-01-01T00:00:00")
    assert "removed" in text_of(viewer, f"{CHANGES}{FlagChange.objects.latest('id').pk}/change/")


def test_who_may_only_look_sees_no_button_and_does_nothing(viewer: Browser) -> None:
    row = flag()
    assert "Put a flag in force" not in text_of(viewer, FLAGS)
    assert "Remove…" not in text_of(viewer, f"{FLAGS}{row.pk}/change/")
    for path in (f"{FLAGS}new/", f"{FLAGS}{row.pk}/put/", f"{FLAGS}{row.pk}/remove/"):
        for answer in (viewer.get(path), viewer.post(path, {"reason": "because"})):
            assert answer.status_code == 403, path
    assert Flag.objects.get().number == 1


def test_who_may_roll_out_sees_what_it_means_and_puts_it_then(steerer: Browser) -> None:
    two_versions()
    submit_to("echo", {"text": "x"})
    asked = put(steerer, f"{FLAGS}new/", OWNED, step="")
    assert "It would be on for 1 of the 1 newest stored jobs: 1 of tests." in asked
    assert not Flag.objects.exists()
    assert "The flag beta is in force" in put(steerer, f"{FLAGS}new/", OWNED)
    row = Flag.objects.get()
    assert (row.actor, row.reason, FlagChange.objects.get().address) == ("sam", "because", ADDRESS)
    put(steerer, f"{FLAGS}{row.pk}/put/", OWNED | {"on": False})
    assert Flag.objects.get().document["on"] is False
    assert "Change…" in text_of(steerer, f"{FLAGS}{row.pk}/change/")
    steerer.post(f"{FLAGS}{row.pk}/remove/", {"reason": "done", "number": 2})
    assert not Flag.objects.exists()
    assert Event.objects.filter(kind="registry", actor="sam", address=ADDRESS).count() == 3


def test_what_another_person_changed_meanwhile_is_not_overwritten(steerer: Browser) -> None:
    row = flag()
    flag(share=0.2)
    page = put(steerer, f"{FLAGS}{row.pk}/put/", OWNED, number="1")
    assert "You read change 1 of the flag beta, and its change 2 is in force" in page
    answer = steerer.post(f"{FLAGS}{row.pk}/remove/", {"reason": "r", "number": 1}, follow=True)
    assert "its change 2 is in force" in answer.content.decode()
    assert Flag.objects.get().number == 2


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (OWNED | {"share": 2}, "The field share is 2; it must be a number from 0 to 1."),
        (OWNED | {"clients": ["nobody"]}, "There is no client 'nobody'"),
        (OWNED | {"when": {"title": "\ud800"}}, "holds half of a surrogate pair"),
        (OWNED | {"\ud800": 1}, "holds half of a surrogate pair"),
        ([], "A flag is a JSON object."),
        ({}, "owner"),
    ],
)
def test_a_wrong_document_is_named_before_anything_is_put(
    steerer: Browser, document: Any, words: str
) -> None:
    for step in ("", "put"):
        assert words in put(steerer, f"{FLAGS}new/", document, step=step)
    assert not FlagChange.objects.exists()


def test_nothing_is_done_by_looking_or_without_a_token_of_the_form(db: str) -> None:
    row = flag()
    strict = browser_of(*VIEW, "roll_out", name="carl", csrf=True)
    for page in ("put", "remove"):
        assert strict.get(f"{FLAGS}{row.pk}/{page}/").status_code == 200
        assert strict.post(f"{FLAGS}{row.pk}/{page}/", {"reason": "r", "number": 1}).status_code == 403
    assert Flag.objects.get().number == 1


def test_a_page_of_a_flag_that_is_gone_is_not_there(steerer: Browser) -> None:
    assert steerer.get(f"{FLAGS}999/put/").status_code == 404
    assert steerer.get(f"{FLAGS}999/remove/").status_code == 404
