"""Rules with a cascade: what they may name, and what the registry does with their versions."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import DatabaseError

from models_registry import selectors
from models_registry.core.registry_errors import (
    ApprovalError,
    ModelNotFoundError,
    RuleError,
    VersionStateError,
)
from models_registry.core.routing.decision import Arm, Ask, CompiledRule, decide
from models_registry.models import Alias, ModelVersion, RegisteredModel, Rule
from models_registry.services.change_version_state import change_state
from models_registry.services.rules import compile_rule, put_rule
from tests.support.cascades import ESCALATE, cascade, light_and_heavy, put_cascade
from tests.support.factories import make_version, make_worker


@pytest.fixture(autouse=True)
def versions(db: str) -> tuple[ModelVersion, ModelVersion]:
    assert db
    return light_and_heavy()


def in_force(ref: str = "light") -> Any:
    selectors.forget()
    return selectors.routed_all([ref])[ref]


def test_a_cascade_is_in_force_with_its_plan() -> None:
    rule = put_cascade()
    compiled = in_force()
    assert isinstance(compiled, CompiledRule)
    assert [str(step) for step in compiled.steps] == ["light:1", "heavy:1"]
    assert [str(version) for version in compiled.resident] == ["light:1", "heavy:1"]
    decision = decide(compiled, Ask(b"12345678", "tests", 4, {}, {}))
    assert (str(decision.version), decision.arm, decision.why) == ("light:1", Arm.CASCADE, "first step")
    assert rule.steps is not None
    assert rule.steps[0]["checks"] == [{"pointer": "/confidence", "below": 0.7, "goto": 1, "degrades": True}]
    assert len(compiled.digest) == 32


def test_the_digest_tells_cascades_apart_and_lasts() -> None:
    put_cascade()
    first = in_force().digest
    put_cascade()
    assert in_force().digest == first
    put_cascade(on_failure="fail")
    assert in_force().digest != first


@pytest.mark.parametrize(
    ("document", "error", "words"),
    [
        (cascade("light", "heavy:1"), RuleError, "comes back to light@default"),
        (cascade("light:1", "light@default"), RuleError, "comes back to light@default"),
        (cascade("light:1", "light:1"), RuleError, "stands twice"),
        (cascade("light:1", "heavy:9"), ModelNotFoundError, "heavy:9"),
        (cascade("light:1", "heavy@new"), ModelNotFoundError, "heavy@new"),
        (cascade("light:1", "absent:1"), ModelNotFoundError, "absent:1"),
        (cascade("light:1", "Heavy!"), ModelNotFoundError, "names no model"),
        (cascade(escalate=ESCALATE | {"below": float("nan")}), RuleError, "below"),
        (cascade(escalate=ESCALATE | {"below": "0.7"}), RuleError, "below"),
        (cascade(escalate=ESCALATE | {"pointer": "confidence"}), RuleError, "pointer"),
        (cascade(escalate={"pointer": "/confidence"}), RuleError, "below"),
        (cascade(on_failure="retry"), RuleError, "on_failure"),
        ({"first": "light:1"}, RuleError, "then"),
    ],
)
def test_a_wrong_cascade_is_refused(document: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        put_rule(model="light", alias="default", document={"stable": "1", "cascade": document}, actor="olga")
    assert not Rule.objects.exists()


def test_a_cascade_has_no_candidate_beside_it() -> None:
    make_version("light", "2")
    document = {"stable": "1", "candidate": "2", "cascade": cascade()}
    with pytest.raises(RuleError, match="one of these three"):
        put_rule(model="light", alias="default", document=document, actor="olga")


@pytest.mark.parametrize("then", ["light:2", "light@two"])
def test_a_shadow_is_no_step_of_the_cascade_beside_it(then: str) -> None:
    second = make_version("light", "2")
    Alias.objects.create(model=second.model, name="two", version=second)
    make_version("light", "3")
    document = {"stable": "1", "cascade": cascade("light:1", then), "shadow": {"version": "2"}}
    with pytest.raises(RuleError, match="shadow 2 is a step of this rule's cascade"):
        put_rule(model="light", alias="default", document=document, actor="olga")
    put_rule(model="light", alias="default", document=document | {"shadow": {"version": "3"}}, actor="olga")


def test_two_rules_that_name_each_other_are_refused() -> None:
    make_version("heavy", "2")
    inner = {"stable": "1", "cascade": cascade("heavy:1", "light")}
    put_rule(model="heavy", alias="default", document=inner, actor="olga")
    with pytest.raises(RuleError, match="comes back to light@default"):
        put_cascade("light:1", "heavy")


def test_more_than_three_rules_within_each_other_are_refused() -> None:
    for number in range(4, 0, -1):
        make_version(f"m{number}", "1")
        then = "heavy:1" if number == 4 else f"m{number + 1}"
        document = {"stable": "1", "cascade": cascade(f"m{number}:1", then)}
        if number == 1:
            with pytest.raises(RuleError, match="deeper than 3"):
                put_rule(model="m1", alias="default", document=document, actor="olga")
        else:
            put_rule(model=f"m{number}", alias="default", document=document, actor="olga")


def test_an_inner_alias_that_moves_counts_once_the_rule_is_put_again() -> None:
    make_version("heavy", "2")
    put_cascade("light:1", "heavy")
    assert str(in_force().steps[1]) == "heavy:1"
    put_rule(model="heavy", alias="default", document={"stable": "2"}, actor="olga")
    assert str(in_force().steps[1]) == "heavy:1"
    put_cascade("light:1", "heavy")
    assert str(in_force().steps[1]) == "heavy:2"


def test_a_pointer_that_the_output_schema_does_not_have_is_refused() -> None:
    make_version("light", "2", output_schema={"properties": {"label": {}}, "additionalProperties": False})
    with pytest.raises(RuleError, match="nothing at '/confidence'"):
        put_cascade("light:2")


def test_the_inputs_of_all_steps_are_the_stable_versions() -> None:
    make_version("heavy", "2", input_schema={"type": "object"})
    with pytest.raises(RuleError, match='"schema": "both"'):
        put_cascade("light:1", "heavy:2")
    document = {"stable": "1", "schema": "both", "cascade": cascade("light:1", "heavy:2")}
    assert put_rule(model="light", alias="default", document=document, actor="olga").number == 1


def test_a_cascade_of_two_models_does_not_encrypt() -> None:
    make_version("light", "9", options={"encrypt": True})
    make_version("heavy", "9", options={"encrypt": True})
    make_version("light", "8", options={"encrypt": True})
    document = {"stable": "9", "cascade": cascade("light:9", "heavy:9")}
    with pytest.raises(RuleError, match="bound to the model light"):
        put_rule(model="light", alias="default", document=document, actor="olga")
    document = {"stable": "9", "cascade": cascade("light:9", "light:8")}
    assert put_rule(model="light", alias="default", document=document, actor="olga").number == 1


@pytest.mark.parametrize("state", ["draft", "retired", "blocked"])
def test_a_step_is_staged(state: str) -> None:
    make_version("heavy", "2", state=state)
    with pytest.raises(VersionStateError, match=f"heavy:2 is {state}"):
        put_cascade("light:1", "heavy:2")


def test_a_step_of_another_models_cascade_is_not_blocked() -> None:
    make_version("heavy", "2")
    put_cascade("light:1", "heavy:2")
    with pytest.raises(VersionStateError, match="heavy:2 gets jobs by the alias light@default"):
        change_state(name="heavy", version="2", verb="block", actor="olga", reason="bad")
    put_rule(model="light", alias="default", document={"stable": "1"}, actor="olga")
    assert change_state(name="heavy", version="2", verb="block", actor="olga", reason="bad") == "blocked"


def test_a_cascade_with_a_step_that_is_not_staged_decides_nothing() -> None:
    make_version("heavy", "2")
    put_cascade("light:1", "heavy:2")
    ModelVersion.objects.filter(version="2").update(state="blocked")
    assert str(in_force()) == "light:1"


def test_workers_of_both_models_are_to_hold_the_steps() -> None:
    step = make_version("heavy", "2")
    put_cascade("light:1", "heavy:2")
    assert step.id in selectors.wanted_versions(["heavy"], keep_warm_s=0).to_load
    assert step.id not in selectors.wanted_versions(["light"], keep_warm_s=0).to_load


def test_steps_measure_their_inputs_alike() -> None:
    make_version("heavy", "2", padded=True)
    with pytest.raises(RuleError, match="need the same `padded`"):
        put_cascade("light:1", "heavy:2")


def test_a_step_is_loaded_on_the_workers_of_its_model_before_it_gets_jobs() -> None:
    make_version("heavy", "2")
    make_worker("gpu-1@tests", model_names=["heavy"])
    with pytest.raises(RuleError, match="heavy:2 is not loaded on gpu-1@tests"):
        put_cascade("light:1", "heavy:2")


def test_another_model_s_version_of_the_same_name_needs_approval_too() -> None:
    RegisteredModel.objects.filter(name="light").update(approvals=1)
    with pytest.raises(ApprovalError, match="start one"):
        put_cascade("light:1", "heavy:1")


def test_a_step_of_a_model_with_approvals_needs_a_rollout_first() -> None:
    RegisteredModel.objects.filter(name="heavy").update(approvals=1)
    make_version("heavy", "2")
    with pytest.raises(ApprovalError, match="heavy"):
        put_cascade("light:1", "heavy:2")
    assert put_cascade("light:1", "heavy:1").number == 1, "it stands behind an alias of its model"


def test_a_rule_that_is_only_compiled_is_not_stored() -> None:
    compiled = compile_rule(model="light", alias="default", document={"stable": "1", "cascade": cascade()})
    assert [str(step) for step in compiled.steps] == ["light:1", "heavy:1"]
    assert Alias.objects.get(model__name="light").rule is None


def test_the_plan_of_a_rule_cannot_be_changed() -> None:
    rule = put_cascade()
    with pytest.raises(DatabaseError, match="append"):
        Rule.objects.filter(pk=rule.pk).update(steps=None)
