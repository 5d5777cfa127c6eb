from __future__ import annotations

from typing import Any

import msgspec
import pytest

from models_registry.core.refs import Ref
from models_registry.core.registry_errors import RuleError
from models_registry.core.routing.cascade import (
    CascadeDocument,
    Escalate,
    EscalateReason,
    check_steps,
    escalation,
    named_models,
)

AT = Escalate("/scores/0", 0.7)
OWN = Ref("digits", alias="default")


def cascade(first: str, then: str) -> CascadeDocument:
    return CascadeDocument(first, then, AT)


@pytest.mark.parametrize(
    ("output", "reason", "confidence"),
    [
        ({"scores": [0.9, 0.1]}, None, 0.9),
        ({"scores": [0.7]}, None, 0.7),
        ({"scores": [0.69]}, EscalateReason.BELOW, 0.69),
        ({"scores": [1]}, None, 1.0),
        ({"scores": []}, EscalateReason.NO_CONFIDENCE, None),
        ({"scores": ["0.9"]}, EscalateReason.NO_CONFIDENCE, None),
        ({"scores": [True]}, EscalateReason.NO_CONFIDENCE, None),
        ({"scores": [None]}, EscalateReason.NO_CONFIDENCE, None),
        ({"scores": [float("nan")]}, EscalateReason.NO_CONFIDENCE, None),
        ({"scores": [10**400]}, EscalateReason.NO_CONFIDENCE, None),
        ({"scores": [-(10**400)]}, EscalateReason.NO_CONFIDENCE, None),
        ({"scores": [1e300]}, EscalateReason.NO_CONFIDENCE, None),
        ({"scores": [-1.7e308]}, EscalateReason.NO_CONFIDENCE, None),
        ({"scores": [9e299]}, None, 9e299),
        ({"scores": [-9e299]}, EscalateReason.BELOW, -9e299),
        ([0.9], EscalateReason.NO_CONFIDENCE, None),
        (None, EscalateReason.NO_CONFIDENCE, None),
    ],
)
def test_an_answer_that_is_not_sure_or_does_not_say_goes_on(
    output: Any, reason: EscalateReason | None, confidence: float | None
) -> None:
    assert escalation(AT, output) == (reason, confidence)


def test_the_steps_are_those_of_cascades_within() -> None:
    within: dict[Ref, CascadeDocument] = {Ref("digits", alias="fine"): cascade("digits:svc", "other:big")}
    steps = check_steps(OWN, cascade("digits:light", "digits@fine"), within.get)
    assert [str(step) for step in steps] == ["digits:light", "digits:svc", "other:big"]
    assert [str(step) for step in check_steps(OWN, cascade("a", "b:1"), within.get)] == ["a@default", "b:1"]


def test_the_model_of_each_step_is_named_before_its_rule_is_read() -> None:
    within = {
        Ref("digits", alias="fine"): cascade("digits:svc", "other@big"),
        Ref("other", alias="big"): cascade("digits@fine", "third:1"),
    }
    read = list[Ref]()

    def rule_of(ref: Ref) -> CascadeDocument | None:
        read.append(ref)
        return within.get(ref)

    names = named_models(cascade("digits:light", "digits@fine"), rule_of)
    assert ([next(names), next(names)], read) == (["digits", "digits"], [])
    assert list(names) == ["digits", "other", "digits", "third"], "also where two rules name each other"
    assert [str(ref) for ref in read] == ["digits@fine", "other@big"]


def test_a_cascade_that_names_itself_is_refused() -> None:
    with pytest.raises(RuleError, match="comes back to digits@default"):
        check_steps(OWN, cascade("digits:light", "digits"), lambda _: None)


def test_two_rules_that_name_each_other_are_refused() -> None:
    within: dict[Ref, CascadeDocument] = {Ref("a", alias="x"): cascade("a:1", "digits@default")}
    with pytest.raises(RuleError, match="comes back to digits@default"):
        check_steps(OWN, cascade("digits:light", "a@x"), within.get)


def test_three_rules_within_each_other_are_enough() -> None:
    chain = {Ref("a", alias=f"x{n}"): cascade("a:1", f"a@x{n + 1}") for n in range(1, 4)}
    fine = {ref: one for ref, one in chain.items() if ref.alias != "x3"}
    assert len(check_steps(OWN, cascade("digits:light", "a@x1"), fine.get)) == 4
    with pytest.raises(RuleError, match="deeper than 3"):
        check_steps(OWN, cascade("digits:light", "a@x1"), chain.get)


@pytest.mark.parametrize(
    "document",
    [
        {"first": "a:1", "then": "a:2"},
        {"first": "a:1", "then": "a:2", "escalate": {"pointer": "confidence", "below": 0.7}},
        {"first": "a:1", "then": "a:2", "escalate": {"pointer": "/c", "below": float("nan")}},
        {"first": "a:1", "then": "a:2", "escalate": {"pointer": "/c", "below": 0.7, "above": 1}},
        {"first": "", "then": "a:2", "escalate": {"pointer": "/c", "below": 0.7}},
        {"first": "a:1", "then": "a:2", "escalate": {"pointer": "/c", "below": 0.7}, "on_failure": "retry"},
    ],
)
def test_a_wrong_document_is_refused(document: Any) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(document, CascadeDocument)
