"""Start a roll-out: everything that could be wrong with it is checked before its row is stored."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

import msgspec
from django.db import transaction

from jobs.core.canonical_json import canonical_bytes
from jobs.services.rollouts.changing import By, lacks_approvals, tell
from jobs.services.rollouts.exposure_budget import default_budget
from jobs.services.rollouts.start_checks import (
    candidate_of,
    check_memory,
    check_no_cascade,
    check_none_live,
    check_pair,
    locked_model,
    stable_of,
)
from models_registry.core.refs import DEFAULT_ALIAS
from models_registry.core.rollouts.rollout_plan import Plan
from models_registry.core.version import VersionInfo
from models_registry.models import ModelVersion, Rollout

SALT_BYTES = 16


def start_rollout(  # noqa: PLR0913  # what is rolled out how, and who says so
    *,
    model: str,
    alias: str = DEFAULT_ALIAS,
    candidate: str,
    plan: dict[str, Any],
    actor: str,
    reason: str = "",
    ticket: str = "",
    address: str | None = None,
) -> Rollout:
    """Store a roll-out of a version to an alias; the judge takes it from there.

    ModelNotFoundError; RolloutPlanError for a wrong plan, a version of another model or the stable itself;
    VersionStateError for one that is not staged; RuleError for one that protects less or takes other inputs,
    and for a wrong cohort; AgreementError for a pointer that its outputs cannot have;
    OverBudgetError where both do not fit a worker's memory; RolloutConflictError beside a live roll-out;
    CascadeInForceError where the alias answers by a cascade.
    """
    wanted, by = Plan.of(plan), By(actor, reason, address)
    with transaction.atomic():
        owner = locked_model(model)
        stable, version = stable_of(owner, alias), candidate_of(owner, candidate)
        check_pair(stable, version, wanted)
        check_none_live(owner, alias)
        check_no_cascade(owner, alias)
        check_memory(owner, VersionInfo.of(stable), VersionInfo.of(version))
        budget = wanted.budget or default_budget(stable.pk)
        complete = msgspec.structs.replace(wanted, budget=budget)
        rollout = Rollout.objects.create(
            model=owner,
            alias=alias,
            stable=stable,
            candidate=version,
            plan=complete.document,
            sha256=plan_sha256(complete, stable, version),
            salt=secrets.token_hex(SALT_BYTES),
            sentence="It waits for its gate.",
            budget=budget,
            actor=actor,
            address=address,
            reason=reason,
            ticket=ticket,
        )
        tell(rollout, "start", by=by, stable=stable.version, ticket=ticket, lacks=lacks_approvals(rollout))
    return rollout


def plan_sha256(plan: Plan, stable: ModelVersion, candidate: ModelVersion) -> str:
    """Return the SHA-256 of what an approval is for: the plan and both versions, as canonical JSON."""
    names = {"plan": plan.document, "stable": str(stable), "candidate": str(candidate)}
    return hashlib.sha256(canonical_bytes(names)).hexdigest()
