"""The cascade of a rule that is about to be put: its plan, its versions, and what does not go together."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from models_registry.core.agreement.pointers import may_hold
from models_registry.core.refs import Ref
from models_registry.core.registry_errors import ApprovalError, ModelNotFoundError, RuleError
from models_registry.core.routing.cascade import CascadeDocument, named_models
from models_registry.core.routing.cascade_plan import Plan, plan_of
from models_registry.core.routing.rule_document import RuleDocument
from models_registry.core.version import VersionInfo
from models_registry.models import Alias, ModelVersion, RegisteredModel
from models_registry.services.alias_pointing import check_staged


def planned(model: str, alias: str, cascade: CascadeDocument) -> tuple[Plan, tuple[VersionInfo, ...]]:
    """Return the plan of an alias's cascade, and the version of each step.

    RuleError; ModelNotFoundError for an unknown version or alias; VersionStateError.
    """
    plan = plan_of(Ref(model, alias=alias), cascade, _cascade_of, _stable_of)
    steps = tuple(_version(step.version) for step in plan)
    _check_together(steps)
    for step, version in zip(plan, steps, strict=True):
        for check in step.checks:
            if not may_hold(version.output_schema, check.pointer):
                raise RuleError(f"The output schema of {version} has nothing at {check.pointer!r}.")
    return tuple(
        msgspec.structs.replace(step, id=version.id) for step, version in zip(plan, steps, strict=True)
    ), steps


def any_model(_name: str) -> None:
    """Allow a cascade each model: for the caller that may use all of them."""


def check_models(cascade: CascadeDocument, check: Callable[[str], None]) -> None:
    """Let `check` refuse a model of a step, also behind an alias, before the other checks say what it has."""
    for name in named_models(cascade, _cascade_if_any):
        check(name)


def check_approved(steps: Sequence[VersionInfo], own: str) -> None:
    """Raise ApprovalError for a step of another model that needs approvals, and has not approved it.

    What stands behind an alias of its model is approved.
    """
    for step in steps:
        if step.model == own or not RegisteredModel.objects.filter(name=step.model, approvals__gt=0).exists():
            continue
        if not Alias.objects.filter(version=step.id).exists():
            raise ApprovalError(
                f"{step} gets jobs of {step.model} by a roll-out that other people approve: start one, and"
                " put the cascade in force once an alias stands for it."
            )


def _check_together(steps: Sequence[VersionInfo]) -> None:
    first = steps[0]
    for step in steps[1:]:
        if not step.secrecy.covers(first.secrecy):
            raise RuleError(f"{step} protects its inputs less than {first} does.")
        if step.padded != first.padded:
            raise RuleError(
                f"One of {first} and {step} pads and the other does not, so they measure inputs differently:"
                " the steps of a cascade need the same `padded`."
            )
        if first.secrecy.encrypt and step.model_id != first.model_id:
            raise RuleError(
                f"{first} encrypts, and what is encrypted for a job is bound to the model {first.model}: a"
                f" cascade to {step} needs a version of {first.model}."
            )


def _cascade_of(ref: Ref) -> CascadeDocument | None:
    row = _alias(ref)
    return None if row.rule is None else RuleDocument.of(row.rule.document).cascade


def _cascade_if_any(ref: Ref) -> CascadeDocument | None:
    rows = Alias.objects.select_related("rule").filter(model__name=ref.name, name=ref.alias)
    row = rows.first()  # one that there is not is refused with the plan
    return None if row is None or row.rule is None else RuleDocument.of(row.rule.document).cascade


def _stable_of(ref: Ref) -> str:
    return f"{ref.name}:{_alias(ref).version.version}"


def _alias(ref: Ref) -> Alias:
    rows = Alias.objects.select_related("rule", "version").filter(model__name=ref.name, name=ref.alias)
    if (row := rows.first()) is None:
        raise ModelNotFoundError(f"There is no model '{ref}'.")
    return row


def _version(text: str) -> VersionInfo:
    ref = Ref.parse(text)
    rows = ModelVersion.objects.select_related("model").filter(model__name=ref.name, version=ref.version)
    if (row := rows.first()) is None:
        raise ModelNotFoundError(f"There is no model '{ref}'.")
    check_staged(row)
    return VersionInfo.of(row)
