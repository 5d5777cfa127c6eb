"""What every change of an alias does, whether a person moves it or puts a rule in force."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import msgspec
from django.db.models import Max

from models_registry.core.registry_errors import RolloutConflictError, VersionStateError
from models_registry.core.routing.cascade_plan import Plan, plan_json
from models_registry.core.routing.rule_document import RuleDocument
from models_registry.core.version_states import VersionState
from models_registry.models import Alias, ModelVersion, Promotion, RegisteredModel, Rollout, Rule
from models_registry.models.rollouts import LIVE_STATES
from models_registry.services.changes import announce

_ENCODER = msgspec.json.Encoder(order="deterministic")


@dataclass(frozen=True, slots=True)
class AliasChange:
    """Who changes an alias, from which address and why; `rollout` and `approvals` for a rule."""

    actor: str
    address: str | None = None
    reason: str = ""
    rollout: int | None = None
    approvals: tuple[Any, ...] = ()


def check_staged(version: ModelVersion) -> None:
    """Raise VersionStateError unless jobs may be routed to the version."""
    if version.state != VersionState.STAGED:
        raise VersionStateError(
            f"{version} is {version.state}, and only a staged version can be routed to:"
            f" manage.py version_state {version} {_WAY[VersionState(version.state)]}"
        )


_WAY = {
    VersionState.DRAFT: "stage",
    VersionState.BLOCKED: "unblock --reason …",
    VersionState.RETIRED: "has no way back, so register it anew.",
    VersionState.STAGED: "",
}


def live_rollout(model: str, alias: str) -> int | None:
    """Return the id of the roll-out of an alias that has not ended."""
    rows = Rollout.objects.filter(model__name=model, alias=alias, state__in=LIVE_STATES)
    return rows.values_list("id", flat=True).first()


def check_free(model: str, alias: str, *, rollout: int | None) -> None:
    """Raise RolloutConflictError where another roll-out than `rollout` decides for the alias."""
    live = live_rollout(model, alias)
    if live is not None and live != rollout:
        raise RolloutConflictError(
            f"Roll-out {live} decides for {model}@{alias} now: let it end, promote it, roll it back or cancel"
            " it first.",
            rollout=live,
        )


def point(model: RegisteredModel, alias: str, version: ModelVersion, by: AliasChange) -> None:
    """Point the alias at the version, with a record where it pointed elsewhere before."""
    old = Alias.objects.select_related("version").filter(model=model, name=alias).first()
    Alias.objects.update_or_create(model=model, name=alias, defaults={"version": version})
    names = {"before": old.version.version if old else "", "after": version.version}
    if names["before"] != names["after"]:
        names |= {"model": model.name, "alias": alias}
        Promotion.objects.create(actor=by.actor[:127], address=by.address, reason=by.reason, **names)
        announce("alias", actor=by.actor, **names, **({"reason": by.reason} if by.reason else {}))


def append_rule(
    model: RegisteredModel, alias: str, document: RuleDocument, by: AliasChange, plan: Plan = ()
) -> Rule:
    """Put a rule that was checked in force, with the plan of its cascade.

    Requires the model's lock, under which its rules take turns.
    """
    rules = Rule.objects.filter(model=model.name, alias=alias)
    number = (rules.aggregate(last=Max("number"))["last"] or 0) + 1
    contents = document.document
    rule = Rule.objects.create(
        model=model.name,
        alias=alias,
        number=number,
        document=contents,
        sha256=sha256(_ENCODER.encode(contents)).hexdigest(),
        steps=plan_json(plan) if plan else None,
        rollout=by.rollout,
        actor=by.actor[:127],
        address=by.address,
        reason=by.reason,
        approvals=list(by.approvals),
    )
    in_force = None if document.is_plain else rule.pk
    Alias.objects.filter(model=model, name=alias).update(rule=in_force)
    announce("rule", actor=by.actor, model=model.name, alias=alias, rule=number, sha256=rule.sha256,
             **({"reason": by.reason} if by.reason else {}),
             **({"rollout": by.rollout} if by.rollout else {}))  # fmt: skip
    return rule


def end_rules(model: RegisteredModel, alias: str, stable: str, by: AliasChange) -> None:
    """Let no rule decide for an alias that was moved; the record of its rules says so, where it has any."""
    if Rule.objects.filter(model=model.name, alias=alias).exists():
        append_rule(model, alias, RuleDocument(stable=stable), by)
