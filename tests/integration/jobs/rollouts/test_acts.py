"""What people do to roll-outs: allowed where the state allows it, and always on record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jobs.models import Circuit, Event, RolloutPoint, TakeBack
from jobs.services.rollouts import acts
from models_registry import selectors
from models_registry.core.registry_errors import (
    ApprovalError,
    RolloutNotFoundError,
    RolloutPlanError,
    RolloutStateError,
)
from models_registry.models import Alias, ModelVersion, RegisteredModel, Rollout, RolloutApproval, Rule
from tests.support.rollout_rows import Judged

ACTS: list[Callable[..., Any]] = [
    acts.pause, acts.resume, acts.promote, acts.roll_back, acts.cancel, acts.approve,
]  # fmt: skip


@pytest.fixture(autouse=True)
def fresh(db: str) -> None:
    selectors.forget()


@pytest.mark.parametrize("act", ACTS)
def test_an_act_on_what_is_not_there_or_has_ended_is_refused(act: Callable[..., Any]) -> None:
    with pytest.raises(RolloutNotFoundError):
        act(7, actor="olga")
    judged = Judged()
    acts.cancel(judged.id, actor="olga")
    before = Event.objects.count()
    with pytest.raises(RolloutStateError):
        act(judged.id, actor="paula")
    assert Event.objects.count() == before


def test_every_act_says_who_did_it_why_and_what_came_of_it() -> None:
    judged = Judged()
    judged.running()
    acts.pause(judged.id, actor="paula", reason="on call alone", address="10.0.0.9")
    event = Event.objects.get(kind="rollout", detail__act="pause")
    assert (event.actor, event.detail["reason"], event.detail["state"]) == ("paula", "on call alone", "held")
    point = RolloutPoint.objects.get(act="pause")
    assert (point.document["actor"], point.document["share_ppm"]) == ("paula", 0)
    rule = Rule.objects.latest("id")
    assert (rule.actor, rule.reason, rule.address) == ("paula", "on call alone", "10.0.0.9")


def test_a_pause_takes_the_share_away_and_a_resume_gives_it_back() -> None:
    judged = Judged()
    judged.running()
    assert acts.pause(judged.id, actor="olga").hold == "paused"
    assert TakeBack.objects.filter(rollout=judged.id, closes=False).exists()
    with pytest.raises(RolloutStateError, match="paused already"):
        acts.pause(judged.id, actor="olga")
    row = acts.resume(judged.id, actor="olga")
    assert (row.state, row.hold, row.share_ppm) == ("running", "", 100_000)
    assert not TakeBack.objects.exists()


def test_one_that_is_held_for_another_reason_can_be_paused_so_that_no_judge_resumes_it() -> None:
    judged = Judged(budget=50)
    judged.running()
    Rollout.objects.filter(pk=judged.id).update(met=50)
    judged.look()
    assert acts.pause(judged.id, actor="olga").hold == "paused"


def test_one_whose_budget_is_spent_is_not_resumed_before_another_is_granted() -> None:
    judged = Judged(budget=50)
    judged.running()
    Rollout.objects.filter(pk=judged.id).update(met=50)
    judged.look()
    with pytest.raises(RolloutStateError, match="grant another budget"):
        acts.resume(judged.id, actor="olga")
    acts.grant_budget(judged.id, budget=51, actor="olga")
    assert acts.resume(judged.id, actor="olga").state == "running"


def test_it_is_promoted_past_missing_evidence_only_with_a_reason() -> None:
    judged = Judged()
    judged.running()
    with pytest.raises(RolloutStateError, match="anyway"):
        acts.promote(judged.id, actor="olga", reason="please")
    row = acts.promote(judged.id, actor="olga", anyway="the old one is wrong")
    assert (row.state, row.step, row.share_ppm, row.proven) == ("running", 1, 500_000, True)
    event = Event.objects.get(kind="rollout", detail__act="promote")
    assert event.detail["anyway"] == "the old one is wrong"


def test_it_is_promoted_before_its_time_where_it_has_shown_enough() -> None:
    judged = Judged(step_s=9_000)
    judged.running()
    judged.good()
    judged.look(2)
    row = acts.promote(judged.id, actor="olga")
    assert (row.state, row.step) == ("running", 1)


def test_from_the_last_step_it_is_promoted_to_baking_and_from_there_to_done() -> None:
    judged = Judged(steps=[100])
    judged.running()
    assert acts.promote(judged.id, actor="olga", anyway="a").state == "baking"
    assert acts.promote(judged.id, actor="olga", anyway="b").state == "done"
    assert Alias.objects.get().version.version == "2"


def test_what_is_held_is_promoted_in_one_act() -> None:
    judged = Judged()
    judged.running()
    acts.pause(judged.id, actor="olga")
    row = acts.promote(judged.id, actor="olga", anyway="a")
    assert (row.state, row.hold, row.step) == ("running", "", 1)


def test_a_person_rolls_back_and_the_candidate_is_blocked() -> None:
    judged = Judged()
    judged.running()
    row = acts.roll_back(judged.id, actor="paula", reason="wrong labels")
    assert (row.state, row.share_ppm, row.sentence) == (
        "rolled_back", 0, "paula rolled it back: wrong labels",
    )  # fmt: skip
    assert ModelVersion.objects.get(version="2").state == "blocked"
    assert Circuit.objects.get().state == "open"
    with pytest.raises(RolloutStateError):
        acts.roll_back(judged.id, actor="paula")
    assert TakeBack.objects.count() == 1


def test_one_without_a_share_is_not_rolled_back_but_cancelled() -> None:
    judged = Judged()
    with pytest.raises(RolloutStateError):
        acts.roll_back(judged.id, actor="paula")
    assert acts.cancel(judged.id, actor="paula").state == "cancelled"
    assert not Rule.objects.exists()
    assert ModelVersion.objects.get(version="2").state == "staged"


def test_a_cancelled_one_leaves_the_stable_version_alone_and_the_candidate_staged() -> None:
    judged = Judged()
    judged.running()
    acts.cancel(judged.id, actor="paula")
    assert Rule.objects.latest("id").document["candidate"] is None
    assert ModelVersion.objects.get(version="2").state == "staged"
    assert not TakeBack.objects.get().closes


def test_who_started_it_cannot_approve_it_nor_anybody_twice() -> None:
    judged = Judged()
    with pytest.raises(ApprovalError, match="another person"):
        acts.approve(judged.id, actor="olga")
    acts.approve(judged.id, actor="paula")
    with pytest.raises(ApprovalError, match="already"):
        acts.approve(judged.id, actor="paula")
    assert RolloutApproval.objects.count() == 1


def test_an_approval_of_an_older_plan_is_refused() -> None:
    judged = Judged()
    old = judged.row.sha256
    acts.grant_budget(judged.id, budget=77, actor="olga")
    with pytest.raises(ApprovalError, match="another one now"):
        acts.approve(judged.id, actor="paula", sha256=old)
    acts.approve(judged.id, actor="paula", sha256=judged.row.sha256)


def test_without_its_approvals_it_is_neither_resumed_nor_promoted_but_goes_back() -> None:
    judged = Judged()
    judged.running()
    acts.pause(judged.id, actor="olga")
    RegisteredModel.objects.filter(name="echo").update(approvals=1)
    with pytest.raises(ApprovalError, match="approved by another person"):
        acts.resume(judged.id, actor="olga")
    with pytest.raises(ApprovalError):
        acts.promote(judged.id, actor="olga", anyway="a")
    assert acts.roll_back(judged.id, actor="olga").state == "rolled_back"


@pytest.mark.parametrize("budget", [0, -1, "many"])
def test_a_budget_is_a_number_above_zero(budget: Any) -> None:
    judged = Judged()
    with pytest.raises(RolloutPlanError):
        acts.grant_budget(judged.id, budget=budget, actor="olga")


def test_a_budget_that_is_met_already_is_refused() -> None:
    judged = Judged(budget=50)
    Rollout.objects.filter(pk=judged.id).update(met=40)
    with pytest.raises(RolloutStateError, match="40"):
        acts.grant_budget(judged.id, budget=39, actor="olga")
