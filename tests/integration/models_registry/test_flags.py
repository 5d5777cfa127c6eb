"""Flags: numbered changes that stay in the history, in force at once, and kept while rules need them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any
from unittest.mock import Mock

import pytest
from django.db import DatabaseError, OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext

from models_registry import flag_reads, selectors
from models_registry.core.registry_errors import (
    ApprovalError,
    FlagConflictError,
    FlagError,
    FlagInUseError,
    FlagNotFoundError,
    RuleError,
)
from models_registry.core.routing.decision import Ask, CompiledRule, decide
from models_registry.core.routing.switches import Switch
from models_registry.models import Flag, FlagChange, ModelVersion, RegisteredModel, Rollout
from models_registry.services.flags import flag_users, put_flag, remove_flag
from models_registry.services.rules import put_rule
from tests.support.flags import OWNED, flag
from tests.support.rules import rule, two_versions

BETA: dict[str, Any] = {"cohorts": [{"flag": "beta", "arm": "candidate"}], "share": 0.0}


@pytest.fixture(autouse=True)
def versions(db: str) -> Iterator[tuple[ModelVersion, ModelVersion]]:
    yield two_versions()
    selectors.forget()


def ask(number: int = 1, client: str = "app") -> Ask:
    return Ask(number.to_bytes(8), client, 4, {}, {})


def test_each_change_has_a_number_and_stays_in_the_history() -> None:
    first = put_flag(name="beta", document=OWNED, actor="olga", reason="try it", address="203.0.113.9")
    assert (first.number, first.actor, first.document["on"]) == (1, "olga", True)
    second = put_flag(name="beta", document=OWNED | {"on": False}, actor="otto", number=1)
    assert (second.pk, second.number) == (first.pk, 2)
    remove_flag(name="beta", actor="olga", reason="done", number=2)
    assert not Flag.objects.exists()
    changes = FlagChange.objects.order_by("number").values_list("number", "actor", "reason", "document__on")
    assert list(changes) == [(1, "olga", "try it", True), (2, "otto", "", False), (3, "olga", "done", None)]
    assert flag("beta").number == 4


def test_a_change_is_never_changed() -> None:
    flag()
    made = FlagChange.objects.get()
    for change in (lambda: FlagChange.objects.filter(pk=made.pk).update(number=9), made.delete):
        with pytest.raises(DatabaseError, match="append"), transaction.atomic():
            change()


def test_a_change_has_the_time_at_which_it_is_made_whatever_else_it_is_given() -> None:
    early = datetime(2001, 1, 1, tzinfo=UTC)
    made = FlagChange.objects.create(name="beta", number=1, actor="olga", at=early)
    made.refresh_from_db()
    assert made.at > early + timedelta(days=365)


def test_the_same_document_again_changes_nothing_so_a_lost_answer_may_be_asked_for_again() -> None:
    first = flag()
    assert put_flag(name="beta", document=OWNED, actor="otto", number=0).number == first.number
    assert FlagChange.objects.count() == 1


@pytest.mark.parametrize("number", [0, 2])
def test_a_flag_that_has_another_number_is_not_changed(number: int) -> None:
    flag()
    with pytest.raises(FlagConflictError, match="change 1 is in force") as error:
        put_flag(name="beta", document=OWNED | {"on": False}, actor="otto", number=number)
    assert error.value.details == {"number": 1}
    with pytest.raises(FlagConflictError):
        remove_flag(name="beta", actor="otto", number=number)
    assert Flag.objects.get().document["on"] is True
    with pytest.raises(FlagConflictError, match="there is no such flag now"):
        put_flag(name="other", document=OWNED, actor="otto", number=3)


@pytest.mark.parametrize(
    ("name", "fields", "words"),
    [
        ("Beta", {}, "'Beta' is no name of a flag: use lower-case letters"),
        ("", {}, "no name"),
        ("a" * 64, {}, "no name"),
        ("a\0", {}, "no name"),
        ("beta", {"share": "half"}, "share"),
        ("beta", {"share": -0.1}, "share"),
        ("beta", {"share": 1.1}, "share"),
        ("beta", {"share": float("nan")}, "share is nan"),
        ("beta", {"when": {"type": "nothing"}}, "The schema of the flag is no JSON Schema"),
        ("beta", {"when": {"required": ["cleint"]}}, "'cleint'"),
        ("beta", {"when": {"const": "a\0b"}}, "NUL"),
        ("beta", {"when": {"const": float("nan")}}, "NaN"),
        ("beta", {"when": {"pattern": "(a)\\1"}}, "pattern"),
        ("beta", {"expires_at": "2001-01-01T00:00:00Z"}, "2001-01-01T00:00:00[+]00:00, which is over"),
        ("beta", {"expires_at": "soon"}, "a time with its zone"),
        ("beta", {"clients": ["a"] * 1_001}, "clients"),
        ("beta", {"owner": None}, "owner"),
    ],
)
def test_a_flag_that_is_wrong_is_refused_and_leaves_nothing(
    name: str, fields: dict[str, Any], words: str
) -> None:
    with pytest.raises(FlagError, match=words):
        put_flag(name=name, document=OWNED | fields, actor="olga")
    assert not FlagChange.objects.exists()
    assert not Flag.objects.exists()


def test_an_expired_flag_works_on_and_can_still_be_switched_off() -> None:
    row = flag()
    over = {"expires_at": "2001-01-01T00:00:00Z"}
    Flag.objects.filter(pk=row.pk).update(expires_at=over["expires_at"], document=OWNED | over)
    assert flag_reads.renew_flags()["beta"].is_on(ask())
    assert flag("beta", **over, on=False).number == 2
    with pytest.raises(FlagError, match="is over"):
        flag("beta", expires_at="2002-01-01T00:00:00Z")


def test_a_flag_that_is_not_there_is_not_removed() -> None:
    with pytest.raises(FlagNotFoundError):
        remove_flag(name="beta", actor="olga")


def test_a_cohort_gets_the_jobs_for_which_its_flag_is_on() -> None:
    flag(clients=["friend"], share=0.0)
    rule(**BETA)
    compiled = selectors.routed("echo")
    assert isinstance(compiled, CompiledRule)
    assert decide(compiled, ask(client="friend")).version.version == "2"
    assert decide(compiled, ask(client="friend")).why == "cohort 1"
    assert decide(compiled, ask()).version.version == "1"
    flag(share=1.0)
    compiled = selectors.routed("echo")
    assert isinstance(compiled, CompiledRule)
    assert decide(compiled, ask()).version.version == "2"


def test_a_cohort_with_schema_and_flag_needs_both() -> None:
    flag()
    gold = {"properties": {"client": {"const": "gold"}}}
    rule(share=0.0, cohorts=[{"when": gold, "flag": "beta", "arm": "candidate"}])
    compiled = selectors.routed("echo")
    assert isinstance(compiled, CompiledRule)
    assert decide(compiled, ask(client="gold")).why == "cohort 1"
    assert decide(compiled, ask()).why == "share"
    flag(on=False)
    compiled = selectors.routed("echo")
    assert isinstance(compiled, CompiledRule)
    assert decide(compiled, ask(client="gold")).why == "share"


@pytest.mark.parametrize(
    ("cohort", "words"),
    [
        ({"flag": "beta", "arm": "candidate"}, "There is no flag 'beta': put it in force first."),
        ({"arm": "candidate"}, "Cohort 1 names no jobs"),
        ({"flag": "B", "arm": "candidate"}, "cohorts"),
        ({"flag": "beta"}, "arm"),
    ],
)
def test_a_cohort_without_schema_and_flag_or_with_an_unknown_flag_is_refused(
    cohort: dict[str, Any], words: str
) -> None:
    with pytest.raises(RuleError, match=words):
        rule(cohorts=[cohort])


def test_a_flag_of_a_rule_in_force_is_not_removed() -> None:
    flag()
    rule(**BETA)
    assert flag_users("beta") == ["echo@default"]
    with pytest.raises(FlagInUseError, match="decides for echo@default"):
        remove_flag(name="beta", actor="olga")
    assert Flag.objects.exists()
    put_rule(model="echo", alias="default", document={"stable": "1"}, actor="olga")
    remove_flag(name="beta", actor="olga")


def test_a_flag_of_a_live_roll_out_is_not_removed_while_no_rule_names_it(
    versions: tuple[ModelVersion, ModelVersion],
) -> None:
    flag()
    rollout = Rollout.objects.create(
        model=versions[0].model, alias="default", stable=versions[0], candidate=versions[1],
        plan={"cohorts": [{"flag": "beta", "when": None, "arm": "candidate"}]}, sha256="", salt="s",
        state="held", budget=50, actor="olga",
    )  # fmt: skip
    with pytest.raises(FlagInUseError, match=f"roll-out {rollout.pk} of echo@default"):
        remove_flag(name="beta", actor="olga")
    Rollout.objects.update(state="done")
    remove_flag(name="beta", actor="olga")


def test_a_flag_of_a_roll_out_that_others_approve_can_only_be_switched_off(
    versions: tuple[ModelVersion, ModelVersion],
) -> None:
    flag(share=0.1)
    flag("other")
    rule(**BETA)
    RegisteredModel.objects.update(approvals=1)
    with pytest.raises(ApprovalError, match="The flag beta decides for echo@default"):
        flag(share=1.0)
    flag("other", share=0.5)
    assert flag(on=False).number == 2
    with pytest.raises(ApprovalError):
        flag()
    put_rule(model="echo", alias="default", document={"stable": "1"}, actor="olga")
    live = {"plan": {"cohorts": [{"flag": "beta", "arm": "candidate"}]}, "state": "held"}
    Rollout.objects.create(
        model=versions[0].model, alias="default", stable=versions[0], candidate=versions[1], sha256="",
        salt="s", budget=50, actor="olga", **live,
    )  # fmt: skip
    with pytest.raises(ApprovalError, match="roll-out"):
        flag()
    Rollout.objects.update(state="done")
    assert flag().number == 3


def test_a_flag_that_keeps_jobs_at_the_stable_version_can_only_be_put_on_for_all() -> None:
    flag(share=0.5)
    kept = [{"flag": "beta", "arm": "stable"}]
    rule(**BETA | {"cohorts": kept})
    RegisteredModel.objects.update(approvals=1)
    for fields in ({"on": False}, {"share": 0.4}, {"share": 0.6}, {"when": {"required": ["client"]}}):
        with pytest.raises(ApprovalError, match="it can only be put on for all jobs"):
            flag(**fields)
    assert flag().number == 2
    with pytest.raises(ApprovalError):
        flag(on=False)


def test_a_flag_of_both_arms_cannot_be_changed_where_others_approve() -> None:
    flag(share=0.5)
    both = [{"flag": "beta", "arm": "stable", "when": {}}, {"flag": "beta", "arm": "candidate"}]
    rule(**BETA | {"cohorts": both})
    RegisteredModel.objects.update(approvals=1)
    for on in (True, False):
        with pytest.raises(ApprovalError, match="it cannot be changed"):
            flag(on=on)


def test_a_put_that_fails_half_way_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models_registry.services.flags.announce", Mock(side_effect=DatabaseError("gone")))
    with pytest.raises(DatabaseError, match="gone"):
        flag()
    assert not FlagChange.objects.exists()
    assert not Flag.objects.exists()


def test_a_read_of_a_model_says_whether_there_are_flags_without_a_statement_more() -> None:
    selectors.forget()
    with CaptureQueriesContext(connection) as queries:
        selectors.resolve("echo")
        assert flag_reads.switch_is_on(Switch.CACHE, ask)
        selectors.resolve_all(["echo:2"])
        assert flag_reads.switch_is_on(Switch.CACHE, ask)
    assert len(queries) == 1 + 2


def test_flags_are_read_once_a_second_beside_the_models() -> None:
    flag("cache", on=False)
    selectors.forget()
    with CaptureQueriesContext(connection) as queries:
        selectors.resolve("echo")
        selectors.resolve("echo:1")
        assert not flag_reads.switch_is_on(Switch.CACHE, ask)
        assert flag_reads.switch_is_on(Switch.SHADOW, ask)
    assert len(queries) == 3


def test_a_flag_that_has_not_changed_is_not_compiled_again() -> None:
    flag()
    before = flag_reads.renew_flags()["beta"]
    assert flag_reads.renew_flags()["beta"] is before
    flag(on=False)
    assert not flag_reads.renew_flags()["beta"].is_on(ask())


def fail(*_: Any, **__: Any) -> None:
    raise OperationalError("the table is locked")


def test_a_read_that_fails_is_not_repeated_for_a_second_and_what_was_held_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flag("cache", on=False)
    selectors.forget()
    flag_reads.renew_flags()
    reads = Mock(side_effect=fail)
    now = Mock(return_value=monotonic() + 2.0)
    monkeypatch.setattr(Flag.objects, "values_list", reads)
    monkeypatch.setattr(flag_reads, "monotonic", now)
    assert [flag_reads.switch_is_on(Switch.CACHE, ask) for _ in range(5)] == [False] * 5
    assert reads.call_count == 1
    assert flag_reads.used_flag_life() == 0.0  # so that no submit reads them either
    now.return_value += 1.1
    assert not flag_reads.switch_is_on(Switch.CACHE, ask)
    assert reads.call_count == 2


def test_a_process_that_never_read_flags_says_so_without_a_read_for_each_job(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    selectors.forget()
    reads = Mock(side_effect=fail)
    monkeypatch.setattr(Flag.objects, "values_list", reads)
    for _ in range(5):
        with pytest.raises(OperationalError, match="locked"):
            flag_reads.switch_is_on(Switch.CACHE, ask)
    assert reads.call_count == 1
    monkeypatch.undo()
    selectors.forget()
    assert flag_reads.switch_is_on(Switch.CACHE, ask)


def test_a_read_beside_a_model_does_not_fail_with_the_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    flag("cache", on=False)
    selectors.forget()
    flag_reads.renew_flags()
    monkeypatch.setattr(flag_reads, "monotonic", Mock(return_value=monotonic() + 2.0))
    reads = Mock(side_effect=fail)
    monkeypatch.setattr(Flag.objects, "values_list", reads)
    for ref in ("echo", "echo:1", "echo:2"):
        selectors.resolve(ref)
    assert reads.call_count == 1
