"""The plan of a cascade: its steps in one list, with what sends a job from one to a later one. Pure.

    rule of digits@default          first digits:light, then digits@fine
    rule of digits@fine             first digits:svc, then other:big

    0 digits:light   below the outer threshold → 1
    1 digits:svc     below the inner threshold → 2
    2 other:big

A job only goes forward, so it ends. Where a cascade stands first in another one, its own checks come before
those of the outer one. The plan is made when the rule is put: an inner alias that moves later changes the
cascade once the rule is put again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from models_registry.core.refs import Ref
from models_registry.core.registry_errors import RuleError
from models_registry.core.routing.cascade import (
    CascadeDocument,
    Escalate,
    EscalateReason,
    check_steps,
    escalation,
)


class Check(Struct, frozen=True):
    """A threshold after a step: a confidence below it sends the job to the step at the index `goto`.

    `degrades` means that the answer stands, marked so, where that step cannot answer.
    """

    pointer: str
    below: float
    goto: int
    degrades: bool


class PlannedStep(Struct, frozen=True):
    """One step: `name:version` with its row id, and its checks in their order."""

    version: str
    id: int = 0
    checks: tuple[Check, ...] = ()


class StepJudgement(Struct, frozen=True):
    """What a step's checks say of its answer: no `check` where it is enough."""

    check: Check | None = None
    reason: EscalateReason | None = None
    confidence: float | None = None


Plan = tuple[PlannedStep, ...]
_CascadeOf = Callable[[Ref], CascadeDocument | None]


def plan_of(
    name: Ref, cascade: CascadeDocument, cascade_of: _CascadeOf, stable_of: Callable[[Ref], str]
) -> Plan:
    """Return the plan of the cascade of the alias `name`; RuleError.

    `cascade_of` returns the cascade of an alias, if its rule has one, and `stable_of` the `name:version` that
    an alias stands for.
    """
    check_steps(name, cascade, cascade_of)
    plan = tuple(_flat(cascade, cascade_of, stable_of))
    names = [step.version for step in plan]
    if twice := next((one for one in names if names.count(one) > 1), None):
        raise RuleError(f"{twice} stands twice in the cascade of {name}: each step has a version of its own.")
    return plan


def judged(step: PlannedStep, output: Any) -> StepJudgement:
    """Return what the checks of a step say of its output as JSON."""
    confidence = None
    for number, check in enumerate(step.checks):
        reason, seen = escalation(Escalate(check.pointer, check.below), output)
        if reason is not None:
            return StepJudgement(check, reason, seen)
        confidence = confidence if number else seen
    return StepJudgement(confidence=confidence)


def plan_json(plan: Plan) -> list[Any]:
    """Return a plan as it is stored."""
    stored: list[Any] = msgspec.json.decode(msgspec.json.encode(plan))
    return stored


def plan_from(stored: Any) -> Plan:
    """Return the plan that was stored."""
    return msgspec.convert(stored, Plan)


def _flat(
    cascade: CascadeDocument, cascade_of: _CascadeOf, stable_of: Callable[[Ref], str]
) -> list[PlannedStep]:
    first, then = (_part(Ref.parse(text), cascade_of, stable_of) for text in (cascade.first, cascade.then))
    at = cascade.escalate
    own = Check(at.pointer, at.below, len(first), cascade.on_failure == "degraded")
    before = [msgspec.structs.replace(step, checks=(*step.checks, own)) for step in first]
    return [*before, *_moved(then, len(first))]


def _part(ref: Ref, cascade_of: _CascadeOf, stable_of: Callable[[Ref], str]) -> list[PlannedStep]:
    if ref.version:
        return [PlannedStep(str(ref))]
    inner = cascade_of(ref)
    return [PlannedStep(stable_of(ref))] if inner is None else _flat(inner, cascade_of, stable_of)


def _moved(steps: Sequence[PlannedStep], by: int) -> list[PlannedStep]:
    return [
        msgspec.structs.replace(
            step, checks=tuple(msgspec.structs.replace(check, goto=check.goto + by) for check in step.checks)
        )
        for step in steps
    ]
