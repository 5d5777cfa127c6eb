"""Rules of aliases: appended after all checks, in force at once, and taken back by another rule."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, transaction

from models_registry import selectors
from models_registry.core.registry_errors import (
    ApprovalError,
    ModelNotFoundError,
    RegistrationError,
    RolloutConflictError,
    RuleError,
    VersionStateError,
)
from models_registry.core.routing.decision import CompiledRule
from models_registry.models import (
    Alias,
    AliasMove,
    ModelVersion,
    MoveState,
    Promotion,
    RegisteredModel,
    Rollout,
    Rule,
)
from models_registry.services import finish_moves, move_alias, note_ready
from models_registry.services.change_version_state import change_state
from models_registry.services.rules import put_rule
from models_registry.shared.platform_errors import PlatformError
from tests.support.factories import make_version, make_worker
from tests.support.rules import rule, two_versions

PAIR = {"stable": "1", "candidate": "2"}


def ab(*shares: float) -> list[dict[str, Any]]:
    return [{"version": str(number), "share": share} for number, share in enumerate(shares, 1)]


@pytest.fixture(autouse=True)
def versions(db: str) -> tuple[ModelVersion, ModelVersion]:
    return two_versions()


def put(document: Any, **fields: Any) -> Rule:
    return put_rule(**({"model": "echo", "alias": "default", "document": document, "actor": "olga"} | fields))


def in_force(ref: str = "echo") -> Any:
    return selectors.routed_all([ref])[ref]


def roll_out(versions: tuple[ModelVersion, ModelVersion], state: str = "running") -> Rollout:
    return Rollout.objects.create(
        model=versions[0].model, alias="default", stable=versions[0], candidate=versions[1], plan={},
        sha256="", salt="s", state=state, budget=50, actor="olga",
    )  # fmt: skip


def test_rules_are_numbered_and_the_last_is_in_force() -> None:
    first = put(PAIR | {"share": 0.25}, reason="try it", address="203.0.113.9", approvals=["otto"])
    assert (first.number, first.actor, first.reason, first.approvals) == (1, "olga", "try it", ["otto"])
    compiled = in_force()
    assert isinstance(compiled, CompiledRule)
    assert (compiled.id, compiled.number, compiled.document.share) == (first.pk, 1, 0.25)
    assert [str(version) for version in compiled.versions] == ["echo:1", "echo:2"]
    assert selectors.resolve("echo").version == "1"
    assert selectors.routed("echo") == compiled
    second = put({"stable": "1"})
    assert (second.number, Alias.objects.get().rule) == (2, None)
    assert in_force().version == "1"


def test_a_rule_is_never_changed() -> None:
    made = put({"stable": "1"})
    for change in (lambda: Rule.objects.filter(pk=made.pk).update(number=9), made.delete):
        with pytest.raises(DatabaseError, match="append"), transaction.atomic():
            change()


def test_a_share_that_grows_keeps_the_salt_and_another_candidate_gets_another() -> None:
    first, second = put(PAIR | {"share": 0.1}), put(PAIR | {"share": 0.2})
    assert first.document["salt"] == second.document["salt"] != ""
    make_version("echo", "3")
    assert put({"stable": "1", "candidate": "3"}).document["salt"] != first.document["salt"]
    assert put(PAIR | {"salt": "mine"}).document["salt"] == "mine"


def test_a_rule_moves_the_alias_to_its_stable_version_and_records_that() -> None:
    rule(share=0.5)
    put({"stable": "2", "candidate": "1", "share": 0.01})
    assert selectors.resolve("echo").version == "2"
    last = Promotion.objects.latest("id")
    assert (last.before, last.after, last.actor) == ("1", "2", "olga")
    assert Promotion.objects.count() == 1


def test_a_rule_is_undone_with_the_transaction_that_it_joins() -> None:
    with transaction.atomic():
        rule()
        assert isinstance(in_force(), CompiledRule)
        transaction.set_rollback(True)
    selectors.forget()
    assert in_force().version == "1"
    assert not Rule.objects.exists()


@pytest.mark.parametrize(
    ("document", "error", "words"),
    [
        ("x", RuleError, "JSON object"),
        ({}, RuleError, "stable"),
        (PAIR | {"share": float("nan")}, RuleError, "share is nan; it must be a number from 0 to 1"),
        (PAIR | {"share": 1.01}, RuleError, "from 0 to 1"),
        (PAIR | {"share": -0.1}, RuleError, "from 0 to 1"),
        (PAIR | {"share": "half"}, RuleError, "must be a number"),
        (PAIR | {"shar": 0.1}, RuleError, "did you mean share"),
        (PAIR | {"sticky": "cookie"}, RuleError, "metadata:/json/pointer"),
        (PAIR | {"schema": "any"}, RuleError, "one of"),
        ({"stable": "1", "share": 0.1}, RuleError, "needs a candidate"),
        ({"stable": "1", "candidate": "1"}, RuleError, "the stable version itself"),
        ({"stable": "1", "arms": ab(0.5)}, RuleError, "at least two arms"),
        ({"stable": "1", "arms": ab(0.5, 0.6)}, RuleError, "add up to 1.1"),
        ({"stable": "1", "arms": [*ab(0.5), *ab(0.5)]}, RuleError, "a version of its own"),
        ({"stable": "1", "arms": ab(0.5, float("nan"))}, RuleError, "arms"),
        ({"stable": "1", "arms": ab(0.2, 0.2, 0.2)}, ModelNotFoundError, "echo:3"),
        (PAIR | {"arms": ab(0.5, 0.5)}, RuleError, "one of these three"),
        ({"stable": "1", "cohorts": [{"when": {}, "arm": "stable"}]}, RuleError, "A cohort needs"),
        (
            {"stable": "1", "arms": ab(0.5, 0.5), "cohorts": [{"when": {}, "arm": "candidate"}]},
            RuleError,
            "needs a candidate",
        ),
        ({"stable": "1", "shadow": {"version": "1"}}, RuleError, "answers jobs of this rule already"),
        ({"stable": "1", "shadow": {"version": "9"}}, ModelNotFoundError, "echo:9"),
        ({"stable": "1", "shadow": {"version": "2", "share": 2}}, RuleError, "shadow"),
        ({"stable": "9"}, ModelNotFoundError, "echo:9"),
        (PAIR | {"candidate": "9"}, ModelNotFoundError, "echo:9"),
        (PAIR | {"candidate": "other:1"}, RuleError, "a version of this model"),
        (PAIR | {"cohorts": [{"when": 5, "arm": "stable"}]}, RuleError, "cohorts"),
        (PAIR | {"cohorts": [{"when": {}, "arm": "baseline"}]}, RuleError, "cohorts"),
        (PAIR | {"cohorts": [{"when": {"type": "nothing"}, "arm": "stable"}]}, RuleError, "no JSON Schema"),
        (PAIR | {"cohorts": [{"when": {"pattern": "(a)\\1"}, "arm": "stable"}]}, RuleError, "pattern"),
        (PAIR | {"cohorts": [{"when": {"minimum": float("inf")}, "arm": "stable"}]}, RuleError, "infinity"),
        (PAIR | {"cohorts": [{"when": {"required": ["cleint"]}, "arm": "stable"}]}, RuleError, "'cleint'"),
        (
            PAIR | {"cohorts": [{"when": {"properties": {"input": {}}}, "arm": "stable"}]},
            RuleError,
            "it knows no 'input'",
        ),
    ],
)
def test_a_wrong_rule_is_refused_and_nothing_of_it_stays(
    document: Any, error: type[PlatformError], words: str
) -> None:
    with pytest.raises(error, match=words):
        put(document)
    assert not Rule.objects.exists()
    assert Alias.objects.get().rule is None


@pytest.mark.parametrize(("model", "alias"), [("nobody", "default"), ("echo", "nowhere"), ("", "")])
def test_an_alias_that_is_not_there_gets_no_rule(model: str, alias: str) -> None:
    with pytest.raises(ModelNotFoundError):
        put({"stable": "1"}, model=model, alias=alias)


def test_schemas_are_equal_or_both_are_asked() -> None:
    make_version("echo", "3", input_schema={"type": "object"})
    with pytest.raises(RuleError, match='"schema": "both"'):
        put({"stable": "1", "candidate": "3"})
    put({"stable": "1", "candidate": "3", "schema": "both"})


def test_a_candidate_protects_inputs_as_much_as_the_stable_version_does() -> None:
    marked = {"properties": {"text": {"x-pii": True}}}
    make_version("people", "1", input_schema=marked)
    make_version("people", "2")
    with pytest.raises(RuleError, match="people:2 protects its inputs less"):
        put(PAIR | {"schema": "both"}, model="people")
    put({"stable": "2", "candidate": "1", "schema": "both"}, model="people")


@pytest.mark.parametrize("contents", [{"arms": ab(0.5, 0.5)}, {"shadow": {"version": "2"}}], ids=str)
def test_arms_and_shadows_are_loaded_and_not_blocked(
    versions: tuple[ModelVersion, ModelVersion], contents: dict[str, Any]
) -> None:
    put({"stable": "1", **contents})
    selectors.forget()
    assert isinstance(in_force(), CompiledRule)
    assert selectors.wanted_versions(["echo"], keep_warm_s=0).to_load == (versions[0].pk, versions[1].pk)
    with pytest.raises(VersionStateError, match="by the alias echo@default"):
        change_state(name="echo", version="2", verb="block", actor="olga", reason="")


def test_a_rule_decides_nothing_while_an_arm_is_not_staged(
    versions: tuple[ModelVersion, ModelVersion],
) -> None:
    put({"stable": "1", "arms": ab(0.5, 0.5)})
    ModelVersion.objects.filter(pk=versions[1].pk).update(state="blocked")
    selectors.forget()
    assert in_force() == selectors.resolve("echo:1")


def test_a_rule_decides_without_a_shadow_that_is_not_staged(
    versions: tuple[ModelVersion, ModelVersion],
) -> None:
    put({"stable": "1", "shadow": {"version": "2"}})
    ModelVersion.objects.filter(pk=versions[1].pk).update(state="blocked")
    selectors.forget()
    rule_in_force = in_force()
    assert isinstance(rule_in_force, CompiledRule)
    assert rule_in_force.shadow is None


def test_a_version_that_workers_have_not_loaded_gets_no_share(
    versions: tuple[ModelVersion, ModelVersion],
) -> None:
    make_worker("gpu-0@a")
    note_ready(node="gpu-0@a", version=versions[0].pk, memory_bytes=1, load_s=0.1)
    with pytest.raises(RuleError, match=r"echo:2 is not loaded on gpu-0@a: manage\.py load_model echo:2"):
        rule()
    with pytest.raises(RuleError, match=r"echo:2 is not loaded on gpu-0@a"):
        put({"stable": "1", "shadow": {"version": "2"}})
    note_ready(node="gpu-0@a", version=versions[1].pk, memory_bytes=1, load_s=0.1)
    rule()


def test_workers_load_and_keep_what_a_rule_or_a_roll_out_may_give_jobs_to(
    versions: tuple[ModelVersion, ModelVersion],
) -> None:
    first, second = (version.pk for version in versions)
    assert selectors.wanted_versions(["echo"], keep_warm_s=0).to_load == (first,)
    rule(share=0.0)
    assert selectors.wanted_versions(["echo"], keep_warm_s=0).to_load == (first, second)
    put({"stable": "1"})
    assert selectors.wanted_versions(["echo"], keep_warm_s=0).to_load == (first,)
    rollout = roll_out(versions, "gating")
    assert selectors.wanted_versions(["echo"], keep_warm_s=0).coming == (second,)
    Rollout.objects.filter(pk=rollout.pk).update(state="refused")
    assert selectors.wanted_versions(["echo"], keep_warm_s=0).coming == ()


@pytest.mark.parametrize("state", ["draft", "blocked", "retired"])
def test_only_staged_versions_are_routed_to_or_aliased(
    versions: tuple[ModelVersion, ModelVersion], state: str
) -> None:
    ModelVersion.objects.filter(pk=versions[1].pk).update(state=state)
    for document in (PAIR, {"stable": "2"}):
        with pytest.raises(VersionStateError, match=f"echo:2 is {state}"):
            put(document)
    with pytest.raises(VersionStateError):
        move_alias(name="echo", alias="default", version="2", now=True)
    assert selectors.resolve("echo").version == "1"


@pytest.mark.parametrize("state", ["planned", "gating", "running", "held", "baking"])
def test_while_a_roll_out_decides_nothing_else_moves_its_alias(
    versions: tuple[ModelVersion, ModelVersion], state: str
) -> None:
    rollout = roll_out(versions, state)
    for refused in (rule, lambda: move_alias(name="echo", alias="default", version="2", now=True)):
        with pytest.raises(RolloutConflictError, match=f"Roll-out {rollout.pk} decides") as caught:
            refused()
        assert caught.value.details["rollout"] == rollout.pk
    assert put(PAIR, rollout=rollout.pk).rollout == rollout.pk
    move_alias(name="echo", alias="other", version="2")
    move_alias(name="echo", alias="default", version="2", now=True, rollout=rollout.pk)
    assert selectors.resolve("echo").version == "2"


def test_a_move_that_waits_fails_once_a_roll_out_decides(versions: tuple[ModelVersion, ModelVersion]) -> None:
    make_worker("gpu-0@a")
    assert move_alias(name="echo", alias="default", version="2").waiting
    roll_out(versions)
    note_ready(node="gpu-0@a", version=versions[1].pk, memory_bytes=1, load_s=0.1)
    finish_moves(["echo"])
    assert selectors.resolve("echo").version == "1"
    move = AliasMove.objects.get()
    assert (move.state, "decides for the alias now" in move.outcome) == (MoveState.FAILED, True)


def test_a_move_of_an_alias_ends_its_rule_and_the_record_says_so() -> None:
    rule(share=0.5)
    move_alias(name="echo", alias="default", version="2", actor="otto", now=True)
    last = Rule.objects.latest("number")
    assert (last.number, last.document["stable"], last.document["candidate"]) == (2, "2", None)
    assert (last.actor, in_force().version, Alias.objects.get().rule) == ("otto", "2", None)


def test_an_alias_that_never_had_a_rule_gets_none_by_a_move() -> None:
    move_alias(name="echo", alias="default", version="2", now=True)
    assert not Rule.objects.exists()


def test_states_move_as_the_table_says() -> None:
    def change(verb: str, reason: str = "") -> str:
        return change_state(name="echo", version="2", verb=verb, actor="olga", reason=reason).value

    assert change("block") == "blocked"
    with pytest.raises(VersionStateError, match="Give a reason"):
        change("unblock", " ")
    assert change("unblock", "it was the input") == "staged"
    with pytest.raises(VersionStateError, match="echo:2 is staged; stage needs draft"):
        change("stage")
    assert change("retire") == "retired"
    for verb in ("stage", "block", "unblock", "retire"):
        with pytest.raises(VersionStateError, match="is retired"):
            change(verb, "why")
    with pytest.raises(VersionStateError, match="no verb"):
        change("delete")
    with pytest.raises(ModelNotFoundError):
        change_state(name="echo", version="9", verb="block", actor="olga", reason="")


def test_a_version_that_gets_jobs_is_not_blocked(versions: tuple[ModelVersion, ModelVersion]) -> None:
    def block(version: str) -> None:
        change_state(name="echo", version=version, verb="block", actor="olga", reason="")

    with pytest.raises(VersionStateError, match="by the alias echo@default"):
        block("1")
    rule(share=0.0)
    with pytest.raises(VersionStateError, match="by the alias echo@default: to block it, route"):
        block("2")
    put({"stable": "1"})
    rollout = roll_out(versions)
    with pytest.raises(VersionStateError, match=f"by roll-out {rollout.pk}"):
        block("2")
    Rollout.objects.filter(pk=rollout.pk).update(state="rolled_back")
    block("2")
    assert ModelVersion.objects.get(pk=versions[1].pk).state == "blocked"


def test_commands_register_a_draft_and_stage_it() -> None:
    given = {"loader": "entry_point", "artifact": "models_registry.loaders.builtin:echo"}
    call_command("register_model", "fresh", "1", **given, draft=True)
    with pytest.raises(VersionStateError):
        move_alias(name="fresh", alias="default", version="1")
    with pytest.raises(CommandError, match="no alias"):
        call_command("register_model", "fresh", "2", **given, draft=True, alias=["default"])
    call_command("version_state", "fresh:1", "stage")
    move_alias(name="fresh", alias="default", version="1")
    call_command("register_model", "fresh", "1", **given, draft=True)
    assert selectors.resolve("fresh").version == "1"
    for ref in ("fresh", "fresh:7", "Fresh:1"):
        with pytest.raises(CommandError):
            call_command("version_state", ref, "block")
    with pytest.raises((RegistrationError, CommandError)):
        call_command("version_state", "fresh:1", "block")


def test_a_rule_brings_no_version_past_approvals_but_goes_back() -> None:
    put({"stable": "2"})
    RegisteredModel.objects.filter(name="echo").update(approvals=1)
    make_version("echo", "3")
    for document in ({"stable": "3"}, {"stable": "2", "candidate": "3", "share": 0.01}):
        with pytest.raises(ApprovalError, match="start one"):
            put(document)
    assert Rule.objects.count() == 1
    assert put({"stable": "1"}).document["stable"] == "1"
    assert put({"stable": "2"}).document["stable"] == "2"
