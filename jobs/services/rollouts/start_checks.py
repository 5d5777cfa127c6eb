"""What is checked before a roll-out is stored."""

from __future__ import annotations

from jobs.db.statement import Statement, execute
from jobs.services.lifecycle.loaded_versions import LIVE_S
from models_registry.core.agreement.pointers import check_agreement
from models_registry.core.refs import Ref
from models_registry.core.registry_errors import (
    CascadeInForceError,
    ModelNotFoundError,
    OverBudgetError,
    RolloutConflictError,
    RolloutPlanError,
    RuleError,
    VersionStateError,
)
from models_registry.core.rollouts.rollout_plan import Plan
from models_registry.core.rollouts.rollout_states import LIVE
from models_registry.core.routing.rule_document import RuleDocument
from models_registry.core.version import VersionInfo
from models_registry.core.version_states import VersionState
from models_registry.models import Alias, ModelVersion, RegisteredModel, Rollout
from models_registry.services.flags import hold_flags
from models_registry.services.rules import check_cohorts, check_sealing

# What a worker measured is more than what the option says; where both are unknown, nothing is refused.
_NEEDS = Statement(
    """
SELECT max(load.memory_bytes) FROM models_registry_versionload load WHERE load.version_id = %(version)s
""",
    int,
)
_SMALLEST = Statement(
    """
SELECT min(memory_total_bytes) FROM jobs_worker
WHERE ended_at IS NULL AND heartbeat_at > now() - make_interval(secs => %(live_s)s)
  AND %(model)s = ANY(model_names::text[])
""",
    int,
)


def locked_model(name: str) -> RegisteredModel:
    """Lock a model and return it: starts and moves of its aliases take turns; ModelNotFoundError."""
    row = RegisteredModel.objects.select_for_update().filter(name=Ref.parse(name).name).first()
    if row is None:
        raise ModelNotFoundError(f"There is no model {name!r}.")
    return row


def stable_of(model: RegisteredModel, alias: str) -> ModelVersion:
    """Return the version that an alias stands for; ModelNotFoundError."""
    row = Alias.objects.select_related("version__model").filter(model=model, name=alias).first()
    if row is None:
        raise ModelNotFoundError(f"There is no alias {model.name}@{alias}.")
    return row.version


def candidate_of(model: RegisteredModel, name: str) -> ModelVersion:
    """Return the version that is to be rolled out; `name` may be `2` or `model:2`."""
    owner, _, version = name.rpartition(":")
    if owner and owner != model.name:
        raise RolloutPlanError(f"{name} is a version of another model than {model.name}.")
    row = ModelVersion.objects.select_related("model").filter(model=model, version=version).first()
    if row is None:
        raise ModelNotFoundError(f"There is no model {model.name}:{version}.")
    return row


def check_pair(stable: ModelVersion, candidate: ModelVersion, plan: Plan) -> None:
    """Refuse a candidate that cannot answer for the stable version.

    RolloutPlanError where both are one; VersionStateError where it is not staged; RuleError where it protects
    an input less, takes other inputs, or a cohort has an unknown flag or no schema that can be used;
    AgreementError where the outputs have nothing at the plan's pointer.
    """
    if stable.pk == candidate.pk:
        raise RolloutPlanError(f"{candidate} is what the alias stands for already.")
    for row in (stable, candidate):
        if row.state != VersionState.STAGED:
            raise VersionStateError(f"{row} is {row.state}: only a staged version can be routed to.")
    old, new = VersionInfo.of(stable), VersionInfo.of(candidate)
    if not new.secrecy.covers(old.secrecy):
        raise RuleError(f"{new} protects an input less than {old}.")
    check_sealing(old, new)
    # The judge puts the plan's rules in force, long after the person has gone.
    check_cohorts(plan.cohorts)
    hold_flags(plan.cohorts)
    if plan.agreement is not None:
        check_agreement(plan.agreement, candidate.output_schema)
    if plan.schema == "same" and new.input_schema_text != old.input_schema_text:
        raise RuleError(
            f"The input schemas of {old} and {new} differ, so a job could not be taken back: with"
            ' "schema": "both" each input is checked against both.'
        )


def check_none_live(model: RegisteredModel, alias: str) -> None:
    """Refuse a second live roll-out of an alias: RolloutConflictError."""
    live = Rollout.objects.filter(model=model, alias=alias, state__in=[state.value for state in LIVE]).first()
    if live is not None:
        raise RolloutConflictError(
            f"Roll-out {live.pk} of {model.name}@{alias} is {live.state}: cancel it or let it end first.",
            rollout=live.pk,
        )


def check_no_cascade(model: RegisteredModel, alias: str) -> None:
    """Refuse a roll-out of an alias whose rule in force has a cascade: CascadeInForceError.

    The rules of a roll-out have none: from its first one on, the stable version would get all jobs at once.
    """
    row = Alias.objects.select_related("rule", "version").filter(model=model, name=alias).first()
    if row is None or row.rule is None or RuleDocument.of(row.rule.document).cascade is None:
        return
    stable = row.version.version
    raise CascadeInForceError(
        f"{model.name}@{alias} answers by the cascade of rule {row.rule.number}, which a roll-out would end:"
        f" {model.name}:{stable} would get all of its jobs at once. Try the version in a cascade of its own,"
        f' or put {{"stable": "{stable}"}} in force first, once its workers can run all jobs.'
    )


def check_memory(model: RegisteredModel, stable: VersionInfo, candidate: VersionInfo) -> None:
    """Refuse two versions that together exceed a live worker's device, where that is known: OverBudgetError.

    What a worker keeps for itself (`--memory-budget`) no row says; the gate finds it, where both are loaded.
    """
    needs = {version: _bytes(version) for version in (stable, candidate)}
    (room,) = execute(_SMALLEST, {"model": model.name, "live_s": LIVE_S})
    total = sum(needs.values())
    if room is not None and all(needs.values()) and total > room:
        parts = " and ".join(f"{version} ({size:,} bytes)" for version, size in needs.items())
        raise OverBudgetError(f"{parts} need {total:,} bytes together; a worker has {room:,}.")


def _bytes(version: VersionInfo) -> int:
    (measured,) = execute(_NEEDS, {"version": version.id})
    return max(measured or 0, version.platform_options.memory_bytes or 0)
