"""Buttons of roll-outs and versions: for those who may, by POST after a page that asks, with a reason."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.test import Client as Browser

from jobs.models import Event
from models_registry.models import Alias, ModelVersion, RegisteredModel, Rollout
from tests.support.admin import ADDRESS, browser_of, text_of
from tests.support.factories import make_version
from tests.support.shown_rollouts import make_rollout

ROLLOUTS, VERSIONS = "/admin/models_registry/rollout/", "/admin/models_registry/modelversion/"
VIEW = ("view_rollout", "view_modelversion", "view_rule")
ACTS = ("approve", "resume", "promote", "grant_budget", "pause", "roll_back", "cancel")


@pytest.fixture
def rollout(db: str) -> Rollout:
    return make_rollout()


@pytest.fixture
def steerer(db: str) -> Browser:
    return browser_of(*VIEW, "roll_out", name="sam")


@pytest.fixture
def approver(db: str) -> Browser:
    return browser_of(*VIEW, "approve", name="bea")


@pytest.fixture
def viewer(db: str) -> Browser:
    return browser_of(*VIEW, name="vera")


def act_page(rollout: Rollout, act: str) -> str:
    return f"{ROLLOUTS}{rollout.pk}/act/{act}/"


def offered(browser: Browser, rollout: Rollout) -> list[str]:
    page = text_of(browser, f"{ROLLOUTS}{rollout.pk}/change/")
    return re.findall(rf'href="{ROLLOUTS}{rollout.pk}/act/(\w+)/"', page)


def press(browser: Browser, rollout: Rollout, act: str, **answers: Any) -> str:
    """Press the button of the page that asks, as a person would; return the page that follows."""
    page = text_of(browser, act_page(rollout, act))
    seen = re.search(r'name="seen" value="([^"]*)"', page)
    assert seen
    form = {"seen": seen[1], "reason": "because", **answers}
    return browser.post(act_page(rollout, act), form, follow=True).content.decode()


def state_of(rollout: Rollout) -> tuple[str, str]:
    rollout.refresh_from_db()
    return rollout.state, rollout.hold


def test_who_may_only_look_sees_no_button_and_does_nothing(viewer: Browser, rollout: Rollout) -> None:
    assert offered(viewer, rollout) == []
    assert "Start a roll-out" not in text_of(viewer, ROLLOUTS)
    for path in (*(act_page(rollout, act) for act in ACTS), f"{ROLLOUTS}start/"):
        for answer in (viewer.get(path), viewer.post(path, {"reason": "because"})):
            assert answer.status_code == 403, path
    assert state_of(rollout) == ("held", "budget")


def test_each_state_has_its_buttons(steerer: Browser, rollout: Rollout) -> None:
    assert offered(steerer, rollout) == ["resume", "promote", "grant_budget", "pause", "roll_back", "cancel"]
    Rollout.objects.update(hold="paused")
    assert offered(steerer, rollout) == ["resume", "promote", "grant_budget", "roll_back", "cancel"]
    Rollout.objects.update(state="running", hold="", proven=True)
    assert offered(steerer, rollout) == ["promote", "pause", "roll_back", "cancel"]
    Rollout.objects.update(state="gating")
    assert offered(steerer, rollout) == ["cancel"]
    Rollout.objects.update(state="rolled_back")
    assert offered(steerer, rollout) == []


def test_nothing_is_done_by_looking_or_without_a_token_of_the_form(rollout: Rollout) -> None:
    strict = browser_of(*VIEW, "roll_out", name="carl", csrf=True)
    for act in ("resume", "promote", "grant_budget", "roll_back", "cancel"):
        assert strict.get(act_page(rollout, act)).status_code == 200
        assert strict.post(act_page(rollout, act), {"reason": "because"}).status_code == 403
    assert state_of(rollout) == ("held", "budget")
    assert strict.get(f"{ROLLOUTS}{rollout.pk}/act/nothing/").status_code == 404
    assert strict.get(act_page(Rollout(pk=10**9), "cancel")).status_code == 404


def test_a_roll_out_is_rolled_back_with_its_reason_on_record(steerer: Browser, rollout: Rollout) -> None:
    assert "Roll back: done." in press(steerer, rollout, "roll_back", reason="it is wrong")
    assert state_of(rollout) == ("rolled_back", "")
    assert "sam rolled it back: it is wrong" in text_of(steerer, f"{ROLLOUTS}{rollout.pk}/change/")
    event = Event.objects.filter(kind="rollout", actor="sam").latest("id")
    assert (event.detail["reason"], event.address) == ("it is wrong", ADDRESS)
    assert Alias.objects.get(model=rollout.model).version == rollout.stable


def test_pause_and_resume(steerer: Browser, rollout: Rollout) -> None:
    Rollout.objects.update(state="running", hold="", met=10, share_ppm=10_000)
    press(steerer, rollout, "pause", reason="a launch")
    assert state_of(rollout) == ("held", "paused")
    press(steerer, rollout, "resume", reason="")
    assert state_of(rollout) == ("running", "")


def test_a_budget_is_granted(steerer: Browser, rollout: Rollout) -> None:
    press(steerer, rollout, "grant_budget", budget=500)
    rollout.refresh_from_db()
    assert rollout.budget == 500
    refused = press(steerer, rollout, "grant_budget", budget=10)
    assert "has met 50 jobs already" in refused
    assert "Ensure this value is greater" in press(steerer, rollout, "grant_budget", budget=0)


def test_a_promotion_past_the_evidence_needs_words(steerer: Browser, rollout: Rollout) -> None:
    assert "has not shown enough" in press(steerer, rollout, "promote")
    assert state_of(rollout) == ("held", "budget")
    press(steerer, rollout, "promote", anyway="a demo")
    rollout.refresh_from_db()
    assert (rollout.state, rollout.proven, rollout.step) == ("running", True, 1)


def test_an_act_needs_its_reason_and_a_refusal_of_the_service_is_shown(
    steerer: Browser, rollout: Rollout
) -> None:
    for reason in ("", "  ", "x" * 501):
        assert "errorlist" in press(steerer, rollout, "cancel", reason=reason)
    assert state_of(rollout)[0] == "held"
    assert "grant another budget, or promote it" in press(steerer, rollout, "resume")
    assert state_of(rollout) == ("held", "budget")


def test_an_act_from_an_old_page_is_refused_but_going_back_is_not(steerer: Browser, rollout: Rollout) -> None:
    old = {"seen": "held:budget:0:50:other", "reason": "because", "anyway": "because", "budget": "99"}
    for act in ("resume", "promote", "grant_budget"):
        answer = steerer.post(act_page(rollout, act), old, follow=True).content.decode()
        assert "has changed since you opened the page" in answer, act
    rollout.refresh_from_db()
    assert (rollout.state, rollout.budget, rollout.proven) == ("held", 50, False)
    steerer.post(act_page(rollout, "roll_back"), old)
    assert state_of(rollout)[0] == "rolled_back"


def test_a_button_of_an_act_that_is_no_longer_possible_leads_back(steerer: Browser, rollout: Rollout) -> None:
    Rollout.objects.update(state="cancelled", hold="")
    page = steerer.get(act_page(rollout, "resume"), follow=True).content.decode()
    assert "the roll-out is cancelled" in page
    assert (
        "which does not allow to cancel it"
        in steerer.post(
            act_page(rollout, "cancel"), {"seen": "", "reason": "because"}, follow=True
        ).content.decode()
    )


def test_an_approval_is_another_s_and_of_the_plan_that_was_shown(approver: Browser, rollout: Rollout) -> None:
    assert offered(approver, rollout) == [], "the model needs none"
    RegisteredModel.objects.update(approvals=1)
    assert offered(approver, rollout) == ["approve"]
    assert "&quot;steps&quot;: [1, 5, 25, 50, 100]" in text_of(approver, act_page(rollout, "approve"))
    stale = approver.post(act_page(rollout, "approve"), {"seen": "held:budget:0:50:older"}, follow=True)
    assert "has changed since you opened the page" in stale.content.decode()
    assert not rollout.approvals.exists()
    press(approver, rollout, "approve", reason="")
    assert [row.actor for row in rollout.approvals.all()] == ["bea"]
    assert offered(approver, rollout) == [], "once"


def test_nobody_approves_what_they_started(rollout: Rollout) -> None:
    RegisteredModel.objects.update(approvals=1)
    ann = browser_of(*VIEW, "approve", "roll_out", name="ann")
    assert "approve" not in offered(ann, rollout)
    answers = {"seen": f"held:budget:0:50:{rollout.sha256}"}
    page = ann.post(act_page(rollout, "approve"), answers, follow=True).content.decode()
    assert "another person has to approve it" in page
    assert not rollout.approvals.exists()


def test_the_right_to_steer_is_not_the_right_to_approve(
    steerer: Browser, approver: Browser, rollout: Rollout
) -> None:
    RegisteredModel.objects.update(approvals=1)
    assert steerer.post(act_page(rollout, "approve"), {"seen": ""}).status_code == 403
    assert approver.post(act_page(rollout, "roll_back"), {"reason": "because"}).status_code == 403
    assert state_of(rollout)[0] == "held"


@pytest.fixture
def candidate(db: str) -> ModelVersion:
    make_version("echo", "1")
    return make_version("echo", "2")


def answers_of(version: ModelVersion, **more: str) -> dict[str, Any]:
    plan = json.dumps({"steps": [5, 100], "budget": 77})
    return {
        "candidate": version.pk,
        "alias": "default",
        "plan": plan,
        "reason": "better",
        "ticket": "CHG-9",
    } | more


def test_a_roll_out_is_started_after_a_page_that_shows_the_whole_plan(
    steerer: Browser, candidate: ModelVersion
) -> None:
    form = text_of(steerer, f"{ROLLOUTS}start/?candidate={candidate.pk}")
    assert f'<option value="{candidate.pk}" selected>echo:2</option>' in form
    assert "Shares of the candidate in per cent, each larger than the one before" in form
    shown = steerer.post(f"{ROLLOUTS}start/", answers_of(candidate)).content.decode()
    assert "echo:1 answers for echo@default now." in shown
    assert "&quot;bake_s&quot;: 86400.0" in shown
    assert not Rollout.objects.exists()
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', shown))
    hidden["plan"] = hidden["plan"].replace("&quot;", '"')
    edited = steerer.post(f"{ROLLOUTS}start/", hidden | {"step": "edit"}).content.decode()
    assert "CHG-9" in edited
    assert not Rollout.objects.exists()
    page = steerer.post(f"{ROLLOUTS}start/", hidden | {"step": "start"}, follow=True).content.decode()
    assert "The roll-out is planned" in page
    rollout = Rollout.objects.get()
    assert (rollout.candidate, rollout.budget, rollout.actor, rollout.ticket, rollout.address) == (
        candidate, 77, "sam", "CHG-9", ADDRESS,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"plan": "{"}, "The plan is no JSON"),
        ({"plan": "[" * 15_000}, "The plan is no JSON"),
        ({"plan": '{"agreement": {"by": "numbers", "atol": Infinity}}'}, "The field agreement is"),
        ({"plan": '{"sticky": "metadata:/\\u0000"}'}, "The field sticky is"),
        ({"plan": '{"budget": 3000000000}'}, "a whole number from 1 to 2,000,000,000"),
        ({"plan": '{"stepz": [100]}'}, "There is no field stepz; did you mean steps?"),
        ({"plan": '{"steps": [50, 5, 100]}'}, "The steps do not grow"),
        ({"alias": "beta"}, "echo has no alias beta."),
        ({"candidate": "999999"}, "Select a valid choice."),
        ({"reason": ""}, "This field is required."),
    ],
)
def test_what_is_wrong_is_named_beside_its_field(
    steerer: Browser, candidate: ModelVersion, wrong: dict[str, str], message: str
) -> None:
    page = steerer.post(f"{ROLLOUTS}start/", answers_of(candidate, step="start", seen="1", **wrong))
    assert message in page.content.decode()
    assert not Rollout.objects.exists()


def test_a_start_is_refused_where_the_alias_moved_or_the_service_says_no(
    steerer: Browser, candidate: ModelVersion
) -> None:
    moved = steerer.post(f"{ROLLOUTS}start/", answers_of(candidate, step="start", seen="7"))
    assert "The alias was moved since you opened the page" in moved.content.decode()
    make_rollout()
    second = steerer.post(f"{ROLLOUTS}start/", answers_of(candidate, step="start", seen="1"))
    assert second.status_code == 200
    assert "errornote" in second.content.decode() or 'class="error"' in second.content.decode()
    assert Rollout.objects.count() == 1


def test_a_version_is_blocked_and_unblocked_with_a_reason(candidate: ModelVersion) -> None:
    blocker = browser_of(*VIEW, "block", name="bob")
    page, act = f"{VERSIONS}{candidate.pk}/change/", f"{VERSIONS}{candidate.pk}/act/"
    assert re.findall(rf'href="{act}(\w+)/"', text_of(blocker, page)) == ["retire", "block"]
    assert "No rule, roll-out or alias may choose it" in text_of(blocker, f"{act}block/")
    assert "errorlist" in blocker.post(f"{act}block/", {"seen": "staged", "reason": ""}).content.decode()
    stale = blocker.post(f"{act}block/", {"seen": "draft", "reason": "bad"}, follow=True).content.decode()
    assert "has changed since you opened the page" in stale
    for verb, seen, after in (("block", "staged", "blocked"), ("unblock", "blocked", "staged")):
        blocker.post(f"{act}{verb}/", {"seen": seen, "reason": "bad weights"})
        candidate.refresh_from_db()
        assert candidate.state == after
    event = Event.objects.filter(kind="registry", actor="bob").latest("id")
    assert (event.detail["reason"], event.detail["after"], event.address) == (
        "bad weights",
        "staged",
        ADDRESS,
    )
    stable = f"{VERSIONS}{make_version('echo', '1').pk}/act/retire/"
    refused = blocker.post(stable, {"seen": "staged", "reason": "old"}, follow=True).content.decode()
    assert "route them elsewhere first" in refused


def test_versions_are_blocked_by_those_who_may_only(viewer: Browser, candidate: ModelVersion) -> None:
    act = f"{VERSIONS}{candidate.pk}/act/block/"
    for browser in (viewer, browser_of(*VIEW, "roll_out", "approve", name="ria")):
        for answer in (browser.get(act), browser.post(act, {"seen": "staged", "reason": "bad"})):
            assert answer.status_code == 403
    strict = browser_of(*VIEW, "block", name="carl", csrf=True)
    assert strict.post(act, {"seen": "staged", "reason": "bad"}).status_code == 403
    candidate.refresh_from_db()
    assert candidate.state == "staged"
