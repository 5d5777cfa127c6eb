"""Starts of roll-outs: what is stored, and everything that is refused before anything is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from jobs.models import Batch, Event, RolloutPoint
from jobs.services.rollouts.acts import cancel
from jobs.services.rollouts.start import start_rollout
from models_registry import selectors
from models_registry.core.registry_errors import (
    AgreementError,
    CascadeInForceError,
    ModelNotFoundError,
    OverBudgetError,
    RolloutConflictError,
    RolloutPlanError,
    RuleError,
    VersionStateError,
)
from models_registry.models import Alias, LoadState, ModelVersion, RegisteredModel, Rollout, VersionLoad
from models_registry.services.rules import put_rule
from tests.support.cascades import cascade
from tests.support.factories import job_id, make_version, make_worker


@pytest.fixture(autouse=True)
def two_versions(db: str) -> None:
    selectors.forget()
    make_version("echo", "1")
    make_version("echo", "2")


def start(**given: Any) -> Rollout:
    base = {"model": "echo", "alias": "default", "candidate": "2", "plan": {}, "actor": "olga"}
    return start_rollout(**(base | given))


def test_it_stores_the_whole_plan_and_says_who_started_it_and_why() -> None:
    rollout = start(reason="a faster tokenizer", ticket="CHG-7", address="10.0.0.1")
    rollout.refresh_from_db()
    assert (rollout.state, rollout.share_ppm, rollout.met, rollout.proven) == ("planned", 0, 0, False)
    assert (rollout.stable.version, rollout.candidate.version) == ("1", "2")
    assert (rollout.actor, rollout.reason, rollout.ticket) == ("olga", "a faster tokenizer", "CHG-7")
    assert rollout.plan["steps"] == [1, 5, 25, 50, 100]
    assert rollout.plan["budget"] == rollout.budget == 50
    assert len(rollout.sha256) == 64
    assert len(rollout.salt) == 32
    event = Event.objects.get(kind="rollout")
    assert (event.actor, event.detail["act"], event.detail["candidate"]) == ("olga", "start", "2")
    assert RolloutPoint.objects.get().act == "start"


def test_two_roll_outs_draw_their_shares_differently() -> None:
    first = start()
    cancel(first.pk, actor="olga")
    assert start().salt != first.salt


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"model": "none"}, ModelNotFoundError),
        ({"alias": "none"}, ModelNotFoundError),
        ({"candidate": "3"}, ModelNotFoundError),
        ({"candidate": "other:1"}, RolloutPlanError),
        ({"candidate": "1"}, RolloutPlanError),
        ({"plan": {"steps": [5, 1, 100]}}, RolloutPlanError),
        ({"plan": {"steps": [1, 50]}}, RolloutPlanError),
        ({"plan": {"steps": [float("nan"), 100]}}, RolloutPlanError),
        ({"plan": {"steps": [-1, 100]}}, RolloutPlanError),
        ({"plan": {"steps": ["1", 100]}}, RolloutPlanError),
        ({"plan": {"step_s": 10}}, RolloutPlanError),
        ({"plan": {"budget": 0}}, RolloutPlanError),
        ({"plan": {"surprise": 1}}, RolloutPlanError),
        ({"plan": {"agreement": {"by": "numbers", "atol": float("inf")}}}, RolloutPlanError),
        ({"plan": {"agreement": {"at": "/a\0"}}}, RolloutPlanError),
        ({"plan": {"sticky": "metadata:/a\0"}}, RolloutPlanError),
        ({"plan": {"agreement": {"by": "entry_point"}}}, AgreementError),
        ({"plan": {"cohorts": [{"flag": "unknown", "arm": "candidate"}]}}, RuleError),
        ({"plan": {"cohorts": [{"when": {"pattern": "(?=a)"}, "arm": "candidate"}]}}, RuleError),
        ({"plan": {"cohorts": [{"when": {"const": float("nan")}, "arm": "candidate"}]}}, RuleError),
        ({"plan": {"cohorts": [{"when": {"const": "a\0b"}, "arm": "stable"}]}}, RuleError),
        ({"plan": []}, RolloutPlanError),
    ],
)
def test_what_is_wrong_is_refused_and_nothing_is_stored(
    given: dict[str, Any], error: type[Exception]
) -> None:
    make_version("other", "1")
    with pytest.raises(error):
        start(**given)
    assert not Rollout.objects.exists()
    assert not RolloutPoint.objects.exists()


def test_a_pointer_that_no_output_has_is_refused_at_the_start() -> None:
    make_version("typed", "1")
    make_version("typed", "2", output_schema={"type": "object", "properties": {"digit": {}}})
    with pytest.raises(AgreementError, match="/label"):
        start(model="typed", plan={"agreement": {"by": "label", "at": "/label"}})
    assert start(model="typed", plan={"agreement": {"by": "label", "at": "/digit"}}).state == "planned"


@pytest.mark.parametrize("state", ["draft", "retired", "blocked"])
def test_a_candidate_that_is_not_staged_is_refused(state: str) -> None:
    ModelVersion.objects.filter(version="2").update(state=state)
    with pytest.raises(VersionStateError, match=state):
        start()


def test_a_second_live_roll_out_of_an_alias_is_refused_and_one_of_another_alias_is_not() -> None:
    first = start()
    make_version("echo", "3")
    with pytest.raises(RolloutConflictError, match=str(first.pk)):
        start(candidate="3")
    model = RegisteredModel.objects.get(name="echo")
    Alias.objects.create(model=model, name="beta", version=first.stable)
    assert start(alias="beta", candidate="3").state == "planned"


def test_a_roll_out_that_would_end_a_cascade_is_refused_and_says_what_to_do() -> None:
    make_version("echo", "light")
    document = {"stable": "1", "cascade": cascade("echo:light", "echo:1")}
    rule = put_rule(model="echo", alias="default", document=document, actor="olga")
    with pytest.raises(CascadeInForceError, match=rf'rule {rule.number}.* put \{{"stable": "1"\}} in force'):
        start()
    assert not Rollout.objects.exists()
    put_rule(model="echo", alias="default", document={"stable": "1"}, actor="olga")
    assert start().state == "planned"


def test_a_candidate_that_alone_encrypts_is_refused_because_its_jobs_could_not_be_taken_back() -> None:
    make_version("open", "1")
    make_version("open", "2", options={"encrypt": True})
    with pytest.raises(RuleError, match="open:2 encrypts and open:1 does not"):
        start(model="open")


def test_a_candidate_that_protects_less_is_refused() -> None:
    make_version("safe", "1", options={"encrypt": True})
    make_version("safe", "2")
    with pytest.raises(RuleError, match="protects"):
        start(model="safe")


def test_other_input_schemas_are_refused_unless_each_input_is_checked_against_both() -> None:
    make_version("typed", "1", input_schema={"type": "object"})
    make_version("typed", "2", input_schema={"type": "string"})
    with pytest.raises(RuleError, match='"schema": "both"'):
        start(model="typed")
    assert start(model="typed", plan={"schema": "both"}).plan["schema"] == "both"


def load(version: str, bytes_: int) -> None:
    row = ModelVersion.objects.get(model__name="echo", version=version)
    VersionLoad.objects.create(version=row, node="gpu-0@tests", state=LoadState.READY, memory_bytes=bytes_)


def test_two_versions_that_do_not_fit_a_worker_s_memory_together_are_refused_with_the_bytes() -> None:
    make_worker(memory_total_bytes=10_000)
    load("1", 6_000)
    load("2", 4_001)
    with pytest.raises(OverBudgetError, match=r"6,000 bytes.*4,001 bytes.*10,001 bytes.*10,000"):
        start()


def test_two_versions_that_just_fit_are_taken_and_so_are_those_of_unknown_size() -> None:
    make_worker(memory_total_bytes=10_000)
    load("1", 6_000)
    cancel(start().pk, actor="olga")
    load("2", 4_000)
    assert start().pk


def test_the_budget_is_one_per_cent_of_the_stable_version_s_mean_day() -> None:
    version, worker = ModelVersion.objects.get(model__name="echo", version="1"), make_worker()
    other = make_version("other", "1")
    for row, size in ((version, 70_000), (other, 500_000)):
        Batch.objects.create(
            id=job_id(), worker=worker, version=row, members=[], size=size, seal_reason="full",
            claimed_at=timezone.now() - timedelta(hours=1),
        )  # fmt: skip
    assert start().budget == 100  # 70,000 a week are 10,000 a day


def test_a_budget_of_the_plan_is_taken_as_it_is() -> None:
    assert start(plan={"budget": 7}).budget == 7
