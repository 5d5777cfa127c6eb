"""What the judge does at its looks: each state and each reason to hold, by rows alone."""

from __future__ import annotations

import pytest
from django.db.models import F
from django.db.models.functions import Now

from jobs.core.states import State
from jobs.models import Batch, Circuit, DeadLetter, Event, Evidence, FailedKey, RolloutPoint, TakeBack, Tally
from jobs.services.rollouts import acts
from models_registry import selectors
from models_registry.core.routing.decision import Arm
from models_registry.models import (
    Alias,
    LoadState,
    ModelVersion,
    Promotion,
    RegisteredModel,
    Rollout,
    Rule,
    VersionLoad,
)
from models_registry.services.flags import remove_flag
from tests.support.factories import make_batch, make_job, make_worker
from tests.support.flags import flag
from tests.support.rollout_rows import Judged, Outcome


@pytest.fixture(autouse=True)
def fresh(db: str) -> None:
    selectors.forget()


def shares() -> list[float]:
    """Return the share of each rule, the oldest first; -1 for a rule without a candidate."""
    documents = Rule.objects.order_by("id").values_list("document", flat=True)
    return [document["share"] if document["candidate"] else -1 for document in documents]


def test_its_gate_runs_under_a_rule_without_a_share_so_that_workers_load_it() -> None:
    judged = Judged()
    judged.trials.outcome = None
    row = judged.look(3)
    assert (row.state, row.share_ppm) == ("gating", 0)
    assert judged.trials.begun == [f"gate {judged.id}"]
    assert shares() == [0.0]
    assert Alias.objects.get().rule_id == row.rule


def test_one_that_fails_its_gate_is_refused_and_nothing_decides_for_the_alias_any_more() -> None:
    judged = Judged()
    judged.trials.outcome = Outcome(False, "It is 3 times as slow.")
    row = judged.look(2)
    assert (row.state, row.sentence) == ("refused", "Refused by its gate: It is 3 times as slow.")
    assert row.ended_at is not None
    assert shares() == [0.0, -1]
    assert Alias.objects.get().rule_id is None
    assert judged.candidate.state == "staged"  # it was not blamed by any client's job


def test_it_gets_no_share_before_every_live_worker_has_loaded_it() -> None:
    judged, worker = Judged(), make_worker()
    row = judged.look(2)
    assert (row.state, row.share_ppm) == ("gating", 0)
    assert worker.node in row.sentence
    VersionLoad.objects.create(version=judged.candidate, node=worker.node, state=LoadState.READY)
    row = judged.look()
    assert (row.state, row.share_ppm, row.step) == ("running", 100_000, 0)
    assert shares() == [0.0, 0.1]


def test_its_duels_begin_with_its_first_share() -> None:
    judged = Judged(duels=100)
    judged.running()
    assert judged.trials.begun[-1] == f"duels {judged.id} None"


def test_all_its_rules_have_its_salt_and_what_its_plan_says() -> None:
    cohort = {"when": {"properties": {"client": {"const": "us"}}}, "arm": "candidate"}
    judged = Judged(sticky="client", cohorts=[cohort], baseline=True)
    row = judged.running()
    first, second = Rule.objects.order_by("id")
    assert {rule.document["salt"] for rule in (first, second)} == {row.salt}
    assert (second.document["sticky"], second.document["baseline"]) == ("client", True)
    assert second.document["cohorts"] == [cohort]
    assert first.document["cohorts"] == []  # no share: a cohort would still bring it jobs
    assert {rule.rollout for rule in (first, second)} == {judged.id}


def test_it_goes_from_step_to_step_bakes_and_ends_with_the_alias_at_the_candidate() -> None:
    judged = Judged()
    judged.running()
    judged.good()
    row = judged.look()
    assert row.proven
    row = judged.look()
    assert (row.state, row.step, row.share_ppm) == ("running", 1, 500_000)
    judged.good(100)
    row = judged.look(2)
    assert (row.state, row.step, row.share_ppm) == ("baking", 2, 990_000)
    assert judged.look().state == "baking"
    judged.pass_by(601)
    row = judged.look()
    assert (row.state, row.hold) == ("done", "")
    assert shares() == [0.0, 0.1, 0.5, 0.99, -1]
    alias = Alias.objects.get()
    assert (alias.version.version, alias.rule_id) == ("2", None)
    assert Promotion.objects.get().after == "2"
    assert ModelVersion.objects.get(version="2").state == "staged"
    acts = list(RolloutPoint.objects.exclude(act="").order_by("id").values_list("act", flat=True))
    assert acts == ["start", "gate", "pass", "prove", "step", "bake", "finish"]
    assert Event.objects.filter(kind="rollout").count() == len(acts)


def test_no_step_is_made_by_time_alone() -> None:
    judged = Judged()
    judged.running()
    judged.pass_by(3_600)
    assert judged.look(3).step == 0


def test_no_step_is_made_before_its_time() -> None:
    judged = Judged(step_s=300)
    judged.running()
    judged.good()
    assert judged.look(3).step == 0
    judged.pass_by(301)
    assert judged.look().step == 1


def test_one_that_always_fails_goes_back_at_one_look_and_stays_back() -> None:
    judged = Judged()
    judged.running()
    judged.bad()
    row = judged.look()
    assert (row.state, row.share_ppm, row.hold) == ("rolled_back", 0, "")
    assert row.sentence.startswith("Rolled back for failures: 40 failed")
    assert shares() == [0.0, 0.1, -1]
    assert Alias.objects.get().version.version == "1"
    assert ModelVersion.objects.get(version="2").state == "blocked"
    circuit = Circuit.objects.get()
    assert (circuit.version_id, circuit.state) == (judged.candidate.pk, "open")
    assert TakeBack.objects.get().closes
    event = Event.objects.get(kind="rollout", detail__act="roll_back")
    assert event.detail["numbers"]["failed"] == 40
    judged.bad()
    assert judged.look().state == "rolled_back"
    assert len(shares()) == 3


def test_a_candidate_that_another_alias_has_goes_back_here_and_is_not_blocked_there() -> None:
    judged = Judged()
    model = RegisteredModel.objects.get(name="echo")
    Alias.objects.create(model=model, name="beta", version=judged.candidate)
    judged.running()
    judged.bad()
    assert judged.look().state == "rolled_back"
    assert ModelVersion.objects.get(version="2").state == "staged"
    assert not Circuit.objects.exists()
    assert Event.objects.get(kind="rollout", detail__act="roll_back").detail["blocked"] is False


def test_it_is_held_once_it_has_met_its_budget_until_another_is_granted() -> None:
    judged = Judged(budget=50)
    judged.running()
    Rollout.objects.filter(pk=judged.id).update(met=50)
    row = judged.look()
    assert (row.state, row.hold, row.share_ppm) == ("held", "budget", 0)
    assert "50 of 50 budgeted jobs met" in row.sentence
    assert not TakeBack.objects.get().closes
    assert judged.look(2).hold == "budget"
    acts.grant_budget(judged.id, budget=100, actor="olga")
    row = judged.look()
    assert (row.state, row.hold, row.share_ppm) == ("running", "", 100_000)
    assert not TakeBack.objects.exists()


def test_it_is_held_as_starved_and_goes_on_once_enough_has_come() -> None:
    judged = Judged(starve_after_s=1_000, budget=10_000)
    judged.running()
    judged.pass_by(1_001)
    row = judged.look()
    assert (row.state, row.hold, row.share_ppm) == ("held", "starved", 100_000)
    judged.good()
    judged.look()
    assert judged.look().state == "running"


def test_it_is_held_as_suspicious_and_its_share_stays() -> None:
    judged = Judged(budget=10_000)
    judged.running()
    row = judged.row
    for _ in range(20):
        judged.tally(Arm.CANDIDATE, 20, failed=1)
        judged.tally(Arm.STABLE, 200)
        row = judged.look()
        if row.state != "running":
            break
    assert (row.state, row.hold, row.share_ppm) == ("held", "suspicious", 100_000)


def test_the_first_death_takes_the_share_away_and_it_comes_back_where_the_jobs_survived() -> None:
    judged = Judged(budget=10_000)
    judged.running()
    judged.tally(Arm.CANDIDATE, 0, deaths=1)
    row = judged.look()
    assert (row.state, row.hold, row.share_ppm, row.deaths) == ("held", "worker_death", 0, 1)
    judged.pass_by(61)
    suspects = [make_job(version=judged.stable)]
    judged.route(suspects)
    make_batch(make_worker(), judged.stable, suspects, isolation_group=3)
    assert judged.look().hold == "worker_death"
    Batch.objects.update(finished_at=Now())
    row = judged.look()
    assert (row.state, row.hold, row.share_ppm) == ("running", "", 100_000)


def died(judged: Judged) -> None:
    """Do what the sweeper does in the transaction that takes a dead worker's jobs back."""
    Rollout.objects.filter(pk=judged.id).update(
        share_ppm=0, state="held", hold="worker_death", deaths=F("deaths") + 1, state_since=Now()
    )
    judged.tally(Arm.CANDIDATE, 0, deaths=1)


def test_where_the_sweeper_took_the_share_away_the_rule_follows_and_jobs_are_taken_back() -> None:
    judged = Judged(budget=10_000)
    judged.running()
    died(judged)
    row = judged.look()
    assert (row.state, row.hold, row.share_ppm, row.deaths) == ("held", "worker_death", 0, 1)
    assert shares() == [0.0, 0.1, 0.0]
    assert TakeBack.objects.exists()
    assert RolloutPoint.objects.filter(act="hold").count() == 1
    judged.look(2)
    assert len(shares()) == 3
    judged.pass_by(61)
    assert judged.look().state == "running"
    died(judged)
    assert judged.look().state == "rolled_back"


def test_an_input_that_ends_the_stable_version_s_worker_too_is_to_blame_alone() -> None:
    judged = Judged(budget=10_000)
    judged.running()
    died(judged)
    judged.look()
    guilty = judged.jobs(1, version=judged.stable, state=State.DEAD)
    DeadLetter.objects.filter(job__in=guilty).update(kind="crash")
    row = judged.look()
    assert (row.deaths, Evidence.objects.get().document["evidence"]["deaths"]) == (0, 0)
    judged.look()
    judged.pass_by(61)
    assert judged.look().state == "running"
    died(judged)
    row = judged.look()
    assert (row.state, row.hold, row.deaths) == ("held", "worker_death", 1)


def test_a_guilty_input_excuses_one_death_and_no_second_one_of_the_same_hold() -> None:
    judged = Judged(budget=10_000)
    judged.running()
    died(judged)
    judged.look()
    died(judged)
    guilty = judged.jobs(2, version=judged.stable, state=State.DEAD)  # of one batch
    DeadLetter.objects.filter(job__in=guilty).update(kind="crash")
    row = judged.look()
    assert (row.state, row.deaths, Evidence.objects.get().document["evidence"]["deaths"]) == ("held", 1, 1)
    row = judged.look(3)
    assert (row.deaths, Evidence.objects.get().document["evidence"]["deaths"]) == (1, 1)
    DeadLetter.objects.filter(job=guilty[0]).update(created_at=Now())  # replayed, and guilty again
    assert judged.look(2).deaths == 0


def test_the_second_death_rolls_back() -> None:
    judged = Judged(budget=10_000)
    judged.running()
    judged.tally(Arm.CANDIDATE, 0, deaths=1)
    judged.look()
    judged.tally(Arm.CANDIDATE, 0, deaths=1)
    row = judged.look()
    assert (row.state, row.deaths) == ("rolled_back", 2)


def test_a_key_that_failed_counts_once_whatever_its_client_sends_again() -> None:
    judged = Judged(budget=10_000)
    judged.running()
    keys = judged.tally(Arm.CANDIDATE, 1, failed=1)
    judged.tally(Arm.STABLE, 100)
    judged.look()
    for _ in range(5):
        Tally.objects.create(rollout=judged.id, arm=Arm.CANDIDATE, keys=keys, failed=keys)
        judged.tally(Arm.STABLE, 100)
        judged.look()
    assert FailedKey.objects.count() == 1
    numbers = Evidence.objects.get().document["numbers"]
    assert (numbers["judged"], numbers["failed"]) == (1, 1)


def test_a_batch_that_failed_as_a_whole_is_one_failure() -> None:
    judged = Judged(budget=10_000)
    judged.running()
    judged.tally(Arm.CANDIDATE, 0, broken=True)
    judged.tally(Arm.STABLE, 50)
    judged.look()
    assert not FailedKey.objects.exists()
    assert Evidence.objects.get().document["evidence"]["failures"]["seen_ours"] == 0


def test_a_look_that_keeps_it_adds_a_point_at_most_once_a_minute() -> None:
    judged = Judged(budget=10_000)
    judged.running()
    judged.look(5)
    assert RolloutPoint.objects.filter(act="").count() == 1


def test_it_waits_for_approvals_before_its_gate() -> None:
    judged = Judged()
    RegisteredModel.objects.filter(name="echo").update(approvals=1)
    row = judged.look()
    assert (row.state, row.sentence) == ("planned", "It waits for 1 approval.")
    acts.approve(judged.id, actor="paula")
    assert judged.look().state == "gating"
    judged.look()
    rule = Rule.objects.latest("id")
    assert [one["actor"] for one in rule.approvals] == ["paula"]


def test_an_approval_that_became_void_holds_it_until_another_is_given() -> None:
    judged = Judged(budget=50)
    RegisteredModel.objects.filter(name="echo").update(approvals=1)
    acts.approve(judged.id, actor="paula")
    judged.running()
    acts.grant_budget(judged.id, budget=5_000, actor="olga")
    row = judged.look()
    assert (row.state, row.hold, row.share_ppm) == ("held", "approval", 0)
    assert judged.look(2).hold == "approval"
    acts.approve(judged.id, actor="paula")
    row = judged.look()
    assert (row.state, row.hold, row.share_ppm) == ("running", "", 100_000)


def test_a_budget_that_needs_an_approval_exposes_nobody_before_it_is_given() -> None:
    judged = Judged(budget=50)
    RegisteredModel.objects.filter(name="echo").update(approvals=1)
    acts.approve(judged.id, actor="paula")
    judged.running()
    Rollout.objects.filter(pk=judged.id).update(met=50)
    judged.look()
    acts.grant_budget(judged.id, budget=5_000, actor="olga")
    row = judged.look()
    assert (row.state, row.hold, row.share_ppm) == ("held", "approval", 0)


def test_going_back_needs_no_approval() -> None:
    judged = Judged(budget=5_000)
    judged.running()
    RegisteredModel.objects.filter(name="echo").update(approvals=2)
    judged.bad()
    assert judged.look().state == "rolled_back"


def test_what_a_person_paused_no_judge_resumes() -> None:
    judged = Judged(budget=10_000)
    judged.running()
    acts.pause(judged.id, actor="olga")
    judged.good()
    row = judged.look(5)
    assert (row.state, row.hold, row.share_ppm) == ("held", "paused", 0)


@pytest.mark.parametrize("deaths", [0, 2])
def test_with_the_flag_auto_rollback_off_it_is_held_and_a_person_decides(deaths: int) -> None:
    judged = Judged()
    judged.running()
    flag("auto_rollback", on=False)
    if deaths:
        judged.tally(Arm.CANDIDATE, 1, deaths=deaths)
    else:
        judged.bad()
    row = judged.look()
    assert (row.state, row.hold, row.share_ppm, row.deaths) == ("held", "paused", 0, deaths)
    assert row.sentence.startswith("Held. Not rolled back")
    assert row.sentence.endswith("The flag auto_rollback is off: a person decides.")
    assert judged.candidate.state == "staged"
    assert TakeBack.objects.get().closes is False
    event = Event.objects.filter(kind="rollout").latest("id")
    assert (event.detail["act"], event.detail["held"], event.detail["flag"]) == (
        "hold", "paused", "auto_rollback",
    )  # fmt: skip
    events, rules = Event.objects.count(), Rule.objects.count()
    judged.look(3)
    assert (Event.objects.count(), Rule.objects.count()) == (events, rules)  # it says so once
    remove_flag(name="auto_rollback", actor="olga")
    assert judged.look().state == "rolled_back"


def test_what_a_person_resumes_is_held_again_while_the_evidence_stands_and_a_person_may_go_back() -> None:
    judged = Judged()
    judged.running()
    flag("auto_rollback", on=False)
    judged.bad()
    judged.look()
    assert acts.resume(judged.id, actor="olga").state == "running"
    assert judged.look().hold == "paused"
    assert acts.roll_back(judged.id, actor="olga").state == "rolled_back"


def test_the_flag_may_be_off_for_some_models_alone() -> None:
    judged = Judged()
    judged.running()
    other = {"properties": {"metadata": {"properties": {"model": {"const": "other"}}}}}
    flag("auto_rollback", when={"not": other})
    judged.bad()
    assert judged.look().state == "rolled_back"
