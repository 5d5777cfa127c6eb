from __future__ import annotations

import pytest

from models_registry.core.refs import Ref
from models_registry.core.registry_errors import RuleError
from models_registry.core.routing.cascade import CascadeDocument, Escalate, EscalateReason
from models_registry.core.routing.cascade_plan import Plan, judged, plan_from, plan_json, plan_of

OWN = Ref("digits", alias="default")


def cascade(first: str, then: str, below: float = 0.5, pointer: str = "/c") -> CascadeDocument:
    return CascadeDocument(first, then, Escalate(pointer, below))


def planned(document: CascadeDocument, **inner: CascadeDocument) -> Plan:
    by_alias = {Ref("digits", alias=name): one for name, one in inner.items()}
    return plan_of(OWN, document, by_alias.get, lambda ref: f"{ref.name}:of-{ref.alias}")


def gotos(plan: Plan) -> list[tuple[str, list[tuple[float, int]]]]:
    return [(step.version, [(check.below, check.goto) for check in step.checks]) for step in plan]


def test_two_steps() -> None:
    assert gotos(planned(cascade("a:1", "b"))) == [("a:1", [(0.5, 1)]), ("b:of-default", [])]


def test_a_cascade_that_stands_last_keeps_its_checks() -> None:
    plan = planned(cascade("a:1", "digits@x", 0.9), x=cascade("b:1", "b:2", 0.4))
    assert gotos(plan) == [("a:1", [(0.9, 1)]), ("b:1", [(0.4, 2)]), ("b:2", [])]


def test_a_cascade_that_stands_first_is_asked_before_the_outer_one() -> None:
    plan = planned(cascade("digits@x", "c:1", 0.9, "/d"), x=cascade("a:1", "b:1", 0.4))
    assert gotos(plan) == [("a:1", [(0.4, 1), (0.9, 2)]), ("b:1", [(0.9, 2)]), ("c:1", [])]
    assert all(check.goto > at for at, step in enumerate(plan) for check in step.checks), "only forward"
    found = judged(plan[0], {"c": 0.8, "d": 0.8})
    assert found.check is not None
    assert (found.check.goto, found.reason, found.confidence) == (2, EscalateReason.BELOW, 0.8)
    assert judged(plan[0], {"c": 0.8, "d": 0.95}).check is None


def test_a_version_stands_once_in_a_plan() -> None:
    with pytest.raises(RuleError, match="a:1 stands twice"):
        planned(cascade("a:1", "digits@x"), x=cascade("b:1", "a:1"))


def test_a_plan_is_read_as_it_was_stored() -> None:
    plan = planned(cascade("a:1", "b:1"))
    assert plan_from(plan_json(plan)) == plan
