"""Many dead jobs are edited alike: tried on every input, one job first, on a version of choice."""

from __future__ import annotations

import json
import re
from typing import Any
from uuid import UUID

import pytest
from django.test import Client as Browser
from django.utils import timezone

from jobs.core.states import State
from jobs.models import CanaryReplay, DeadLetter, Event, Job, JobInput
from jobs.services.dead_letters.canary import start_replay
from jobs.services.dead_letters.edited_replays import continue_edits
from jobs.services.dead_letters.group_edit import GroupEdit, try_edit
from jobs.services.dead_letters.reads import DeadLetterFilter
from models_registry import selectors
from tests.support.admin import browser_of, text_of
from tests.support.factories import count_by_state, make_dead, make_version

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
PATCH = json.dumps([{"op": "test", "path": "/n", "value": "7"}, {"op": "replace", "path": "/n", "value": 7}])
SAME = "poison:same:-"
PAGE = "/admin/jobs/deadletter/edit/"
ALL = DeadLetterFilter(model="echo")


@pytest.fixture(autouse=True)
def fresh(db: str) -> None:
    selectors.forget()
    make_version("echo", input_schema=SCHEMA)


def dead() -> list[UUID]:
    """Return three jobs that the patch fits, and last one that it does not."""
    jobs = make_dead(3, body={"n": "7"}, fingerprint=SAME) + make_dead(1, body={"n": "8"}, fingerprint=SAME)
    return [job.id for job in jobs]


def inputs() -> list[Any]:
    values = (json.loads(bytes(row.body))["n"] for row in JobInput.objects.all())
    return sorted(values, key=repr)


def succeed(job: UUID) -> None:
    Job.objects.filter(pk=job).update(state=State.SUCCEEDED, finished_at=timezone.now())


def test_a_dry_run_tries_every_input_and_changes_nothing() -> None:
    jobs = dead()
    trial = try_edit(selection=ALL, edit=GroupEdit(PATCH), most=100)
    assert (trial.checked, trial.refused, trial.is_whole) == (4, 1, True)
    assert trial.faults[0][0] == jobs[3]
    assert "does not apply" in trial.faults[0][1]
    assert inputs() == ["7", "7", "7", "8"]
    assert count_by_state() == {"dead": 4}


def test_one_job_goes_first_and_the_others_follow_edited_and_one_that_does_not_fit_stays() -> None:
    dead()
    start_replay(selection=ALL, actor="olga", most=100, edit=GroupEdit(PATCH))
    assert count_by_state() == {"queued": 1, "dead": 3}
    assert inputs() == ["7", "7", "8", 7]
    continue_edits()
    assert count_by_state() == {"queued": 1, "dead": 3}
    succeed(CanaryReplay.objects.get().canary)
    continue_edits()
    assert count_by_state() == {"succeeded": 1, "queued": 2, "dead": 1}
    assert inputs() == ["8", 7, 7, 7]
    replay = CanaryReplay.objects.get()
    assert (replay.state, replay.replayed, replay.patch) == ("done", 2, "")
    assert "1 stay dead" in replay.reason
    assert all("input_hmac" in event.detail for event in Event.objects.filter(kind="replay"))


def test_nothing_follows_a_first_job_that_dies_in_the_same_way() -> None:
    dead()
    start_replay(selection=ALL, actor="olga", most=100, edit=GroupEdit(PATCH))
    first = CanaryReplay.objects.get().canary
    Job.objects.filter(pk=first).update(state=State.DEAD, finished_at=timezone.now())
    DeadLetter.objects.create(job_id=first, epoch=9, model="echo", kind="poison", fingerprint=SAME)
    continue_edits()
    assert count_by_state() == {"dead": 4}
    assert CanaryReplay.objects.get().state == "stopped"


def test_the_group_runs_on_a_version_of_choice_without_any_patch() -> None:
    dead()
    lenient = make_version("echo", "2", input_schema={})
    start_replay(selection=ALL, actor="olga", most=100, edit=GroupEdit(version=lenient.pk))
    succeed(CanaryReplay.objects.get().canary)
    continue_edits()
    assert set(Job.objects.values_list("version_id", flat=True)) == {lenient.pk}
    assert count_by_state() == {"succeeded": 1, "queued": 3}


def test_an_edit_that_fits_no_input_queues_nothing() -> None:
    dead()
    patch = '[{"op": "remove", "path": "/nonsense"}]'
    begun = start_replay(selection=ALL, actor="olga", most=100, edit=GroupEdit(patch))
    assert (begun.first, begun.following) == (0, 0)
    assert count_by_state() == {"dead": 4}


@pytest.fixture
def operator(db: str) -> Browser:
    return browser_of("view_deadletter", "change_job", "view_payload")


def test_the_page_tries_and_then_replays(operator: Browser) -> None:
    dead()
    query = f"model=echo&kind=poison&fingerprint={SAME}"
    assert "deadletter/edit/?model=echo" in text_of(operator, f"/admin/jobs/deadletter/?{query}")
    fields = {"model": "echo", "kind": "poison", "fingerprint": SAME, "patch": PATCH}
    assert "Replay, one job first" not in text_of(operator, f"{PAGE}?{query}")
    text = operator.post(PAGE, {**fields, "check": "1"}).content.decode()
    assert "4 inputs were tried." in text
    assert "1 does not fit, and stays dead." in text
    assert count_by_state() == {"dead": 4}
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', text))
    assert {"tried", "until"} <= hidden.keys()
    other = {**hidden, **fields, "patch": PATCH.replace("7}", "8}"), "confirm": "yes"}
    text = operator.post(PAGE, other, follow=True).content.decode()
    assert "not what was tried" in text
    assert count_by_state() == {"dead": 4}, "an edit that nobody has seen tried begins nothing"
    text = operator.post(PAGE, {**hidden, **fields, "confirm": "yes"}, follow=True).content.decode()
    assert "1 job is queued again; 3 more follow" in text
    assert count_by_state() == {"queued": 1, "dead": 3}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"model": "echo", "patch": "{"}, "no JSON Patch"),
        ({"model": "echo"}, "Write a patch"),
        ({"patch": PATCH}, "Choose the model"),
        ({"model": "echo", "patch": PATCH, "version": "999"}, "Select a valid choice"),
        ({"model": "echo", "patch": PATCH, "job": "x"}, "UUID"),
        ({"model": "echo", "patch": PATCH, "fingerprint": "a\0"}, "Null characters"),
        ({"model": "echo", "patch": PATCH, "since": "yesterday"}, "Enter a valid date"),
        ({"model": "ec\0ho", "patch": PATCH}, "Select a valid choice"),
    ],
)
def test_an_unusable_edit_is_an_error(operator: Browser, fields: dict[str, str], words: str) -> None:
    dead()
    for press in ("check", "confirm"):
        assert words in operator.post(PAGE, {**fields, press: "yes"}).content.decode()
    assert count_by_state() == {"dead": 4}


def test_who_may_not_see_payloads_or_not_act_edits_nothing_and_sees_no_message() -> None:
    make_dead(1, message="quotes the input")
    for name, right in (("vera", "view_payload"), ("otto", "change_job")):
        browser = browser_of("view_deadletter", right, name=name)
        assert browser.get(f"{PAGE}?model=echo").status_code == 403
        text = text_of(browser, "/admin/jobs/deadletter/")
        assert ("quotes the input" in text) == (right == "view_payload")
        assert "<th>a message</th>" in text or right == "change_job"
