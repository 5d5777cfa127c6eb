"""An operator's actions on the dead letters' pages: each is previewed, confirmed and audited."""

from __future__ import annotations

import re
from itertools import pairwise
from uuid import uuid4

import pytest
from django.test import Client as Browser

from jobs.models import DeadLetter, Event, Job, JobInput, Outbox
from models_registry import selectors
from tests.support.admin import browser_of
from tests.support.factories import count_by_state, make_dead, make_version

LETTERS = "/admin/jobs/deadletter/"
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


@pytest.fixture
def browser(db: str) -> Browser:
    selectors.forget()
    return browser_of()


def states(jobs: list[Job]) -> set[str]:
    return set(Job.objects.filter(id__in=[job.id for job in jobs]).values_list("state", flat=True))


def events() -> set[tuple[str, str]]:
    return set(Event.objects.values_list("kind", "actor"))


def hidden_in(text: str) -> dict[str, list[str]]:
    """Return the hidden fields of the page's form."""
    fields: dict[str, list[str]] = {}
    for tag in re.findall(r'<input type="hidden"[^>]*>', text):
        name, value = re.search(r'name="([^"]*)"', tag), re.search(r'value="([^"]*)"', tag)
        if name and value:
            fields.setdefault(name[1], []).append(value[1])
    return fields


def confirm(browser: Browser, verb: str, query: str, **inputs: str) -> str:
    """Open the preview, press its button, and return the page after it."""
    page = browser.get(f"{LETTERS}{verb}/?{query}")
    assert page.status_code == 200
    fields = hidden_in(page.content.decode())
    answer = browser.post(f"{LETTERS}{verb}/", {**fields, **inputs, "confirm": "yes"}, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def test_one_job_is_replayed(browser: Browser) -> None:
    job, other = make_dead(2)
    text = browser.post(f"{LETTERS}{job.id}/replay/", follow=True).content.decode()
    assert f"{job.id} is queued again." in text
    assert (states([job]), states([other])) == ({"queued"}, {"dead"})
    assert events() == {("replay", "olga")}


def test_one_dead_letter_is_discarded_once(browser: Browser) -> None:
    job, other = make_dead(2)
    text = browser.post(f"{LETTERS}{job.id}/discard/", follow=True).content.decode()
    assert "its dead letter is discarded" in text
    again = browser.post(f"{LETTERS}{job.id}/discard/", follow=True).content.decode()
    assert "no dead letter that could be discarded" in again
    assert list(DeadLetter.objects.filter(discarded_at__isnull=True).values_list("pk", flat=True)) == [
        other.id
    ]
    done = Event.objects.exclude(kind="view_payload")  # a letter's page shows its traceback
    assert list(done.values_list("kind", "actor")) == [("discard", "olga")]


def test_a_missing_job_gives_a_clear_message(browser: Browser) -> None:
    text = browser.post(f"{LETTERS}{uuid4()}/replay/", follow=True).content.decode()
    assert "There is no such job." in text


@pytest.mark.parametrize(("verb", "kind"), [("replay", "replay"), ("discard", "discard")])
def test_the_selected_are_shown_first_and_acted_on_after_the_confirmation(
    browser: Browser, verb: str, kind: str
) -> None:
    chosen, others = make_dead(3), make_dead(2)
    data = {"action": verb, "_selected_action": [str(job.id) for job in chosen], "index": "0"}
    page = browser.post(LETTERS, data, follow=True)
    assert "3 dead letters selected." in page.content.decode()
    assert not Event.objects.exists()
    (redirected, _), *_ = page.redirect_chain
    said = "3 queued again" if verb == "replay" else "3 discarded"
    assert said in confirm(browser, verb, redirected.partition("?")[2], at_once="on")
    acted = {"queued"} if verb == "replay" else {"dead"}
    assert (states(chosen), states(others)) == (acted, {"dead"})
    assert set(Event.objects.values_list("job_id", "kind", "actor")) == {
        (job.id, kind, "olga") for job in chosen
    }


def test_all_jobs_of_a_filter_are_replayed_at_the_requested_rate(browser: Browser) -> None:
    matching, others = make_dead(5, kind="timeout"), make_dead(3)
    text = confirm(browser, "replay", "kind=timeout", rate="0.5", at_once="on")
    assert "5 queued again, the last due in 8 s." in text
    due = sorted(Outbox.objects.values_list("due", flat=True))
    assert {(later - earlier).total_seconds() for earlier, later in pairwise(due)} == {2.0}
    assert (states(matching), states(others)) == ({"queued"}, {"dead"})
    assert Event.objects.filter(kind="replay", actor="olga").count() == 5


def test_without_a_choice_one_job_goes_first(browser: Browser) -> None:
    jobs = make_dead(5)
    text = confirm(browser, "replay", "model=echo", limit="3")
    assert "1 job is queued again; 2 more follow where these succeed" in text
    assert "2 more dead letters match" in text
    assert count_by_state() == {"queued": 1, "dead": 4}
    assert states([min(jobs, key=lambda job: job.id)]) == {"queued"}


def test_all_jobs_of_a_filter_are_discarded(browser: Browser) -> None:
    make_dead(5, fingerprint="poison:a:-")
    (other,) = make_dead(1)
    assert "5 discarded." in confirm(browser, "discard", "fingerprint=poison:a:-")
    assert list(DeadLetter.objects.filter(discarded_at__isnull=True).values_list("pk", flat=True)) == [
        other.id
    ]
    assert events() == {("discard", "olga")}


def test_the_number_is_limited_and_the_message_counts_the_others(browser: Browser) -> None:
    jobs = make_dead(5)
    text = confirm(browser, "replay", "model=echo", limit="2", at_once="on")
    assert "2 queued again." in text
    assert "3 more dead letters match" in text
    oldest = sorted(jobs, key=lambda job: job.id)[:2]
    assert states(oldest) == {"queued"}


def test_jobs_that_die_after_the_page_was_shown_are_left_out(browser: Browser) -> None:
    before = make_dead(2)
    page = browser.get(f"{LETTERS}replay/?model=echo")
    after = make_dead(2)
    fields = hidden_in(page.content.decode())
    browser.post(f"{LETTERS}replay/", {**fields, "confirm": "yes", "at_once": "on"})
    assert (states(before), states(after)) == ({"queued"}, {"dead"})


def test_the_page_says_that_no_filter_means_all_jobs(browser: Browser) -> None:
    make_dead(2)
    assert "every dead letter of every model" in browser.get(f"{LETTERS}replay/").content.decode()
    assert (
        "every dead letter of every model" not in browser.get(f"{LETTERS}replay/?model=echo").content.decode()
    )


def test_a_dry_run_shows_what_would_happen_and_changes_nothing(browser: Browser) -> None:
    make_version("strict", input_schema=SCHEMA)
    make_dead(3, model="strict", body={"n": 1})
    (bad,) = make_dead(1, model="strict", body={"n": "one"})
    fields = hidden_in(browser.get(f"{LETTERS}replay/?model=strict").content.decode())
    answer = browser.post(f"{LETTERS}replay/", {**fields, "rate": "0.5", "check": "yes"})
    text = " ".join(answer.content.decode().split())
    for shown in (
        "4 jobs would be queued again, the last due after 6 s",
        "1 input would be refused",
        str(bad.id),
    ):
        assert shown in text, shown
    assert (
        "4 dead letters would be discarded" in browser.get(f"{LETTERS}discard/?model=strict").content.decode()
    )
    assert set(Job.objects.values_list("state", flat=True)) == {"dead"}
    assert not Event.objects.exists()
    assert not Outbox.objects.exists()


BAD = [
    {"rate": "0"}, {"rate": "-1"}, {"rate": "nan"}, {"rate": "fast"}, {"limit": "0"}, {"limit": "1.5"},
    {"limit": "100001"}, {"since": "yesterday"}, {"kind": "nonsense"}, {"model": "nobody"}, {"job": "no-id"},
    {"fingerprint": "x" * 300},
]  # fmt: skip


@pytest.mark.parametrize("inputs", BAD, ids=str)
@pytest.mark.parametrize("verb", ["replay", "discard"])
def test_bad_form_input_gives_an_error_and_changes_nothing(
    browser: Browser, verb: str, inputs: dict[str, str]
) -> None:
    make_dead(2)
    answer = browser.post(f"{LETTERS}{verb}/", {**inputs, "confirm": "yes"})
    text = answer.content.decode()
    assert answer.status_code == 200
    assert "errorlist" in text or (verb == "discard" and "rate" in inputs)
    assert 'name="confirm"' not in text
    assert set(Job.objects.values_list("state", flat=True)) == {"dead"}
    assert not Event.objects.exists()


def test_an_operator_edits_an_input_and_replays_the_job_with_it(browser: Browser) -> None:
    make_version("strict", input_schema=SCHEMA)
    (job,) = make_dead(model="strict", body={"n": "secret"})
    path = f"{LETTERS}{job.id}/input/"
    refused = browser.post(path, {"text": '{"n": "two"}', "replay": "yes"}).content.decode()
    assert "/n: " in refused
    assert "{&quot;n&quot;: &quot;two&quot;}" in refused
    checked = browser.post(path, {"text": '{"n": 2}', "check": "yes"}).content.decode()
    assert "The version accepts this input of 7 bytes." in checked
    assert states([job]) == {"dead"}
    assert not Event.objects.exists()
    text = browser.post(path, {"text": '{"n": 2}', "replay": "yes"}, follow=True).content.decode()
    assert "is queued again with the new input" in text
    assert states([job]) == {"queued"}
    assert bytes(JobInput.objects.get(job=job).body) == b'{"n":2}'
    event = Event.objects.get()
    assert (event.kind, event.actor) == ("replay", "olga")
    assert "secret" not in str(event.detail)


@pytest.mark.parametrize("text", ["", "{", "NaN", "[" * 9_000, '"\\ud800"'])
def test_text_that_is_not_json_gives_an_error_and_stays_in_the_form(browser: Browser, text: str) -> None:
    (job,) = make_dead()
    answer = browser.post(f"{LETTERS}{job.id}/input/", {"text": text, "replay": "yes"})
    assert answer.status_code == 200
    assert "errornote" in answer.content.decode()
    assert states([job]) == {"dead"}
    assert not Event.objects.exists()


def test_a_job_replayed_in_the_meantime_is_not_edited(browser: Browser) -> None:
    (job,) = make_dead()
    browser.post(f"{LETTERS}{job.id}/replay/")
    answer = browser.post(f"{LETTERS}{job.id}/input/", {"text": "{}", "replay": "yes"})
    assert "cannot be replayed" in answer.content.decode()
    assert Event.objects.count() == 1
