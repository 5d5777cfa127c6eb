"""Rules of aliases: checked as a whole, then appended; going back is a new rule, too."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping
from typing import Any

import msgspec
from django.db import transaction

from models_registry import rule_reads, selectors
from models_registry.core.refs import Ref
from models_registry.core.registry_errors import (
    ApprovalError,
    ModelNotFoundError,
    RuleError,
)
from models_registry.core.routing.decision import CompiledRule
from models_registry.core.routing.flag_document import CompiledFlag
from models_registry.core.routing.rule_document import PPM, Cohort, RuleDocument
from models_registry.core.version import VersionInfo
from models_registry.models import Alias, ModelVersion, Promotion, RegisteredModel, Rule
from models_registry.services.alias_moves import end_waiting_moves, workers_without
from models_registry.services.alias_pointing import (
    AliasChange,
    append_rule,
    check_free,
    check_staged,
    point,
)
from models_registry.services.cascades import any_model, check_approved, check_models, planned
from models_registry.services.described_schema import check_described
from models_registry.services.flags import flags_of, hold_flags


def put_rule(  # noqa: PLR0913  # what decides for which alias, and who put it in force
    *,
    model: str,
    alias: str,
    document: Mapping[str, Any],
    actor: str,
    reason: str = "",
    address: str | None = None,
    rollout: int | None = None,
    approvals: Collection[Any] = (),
    check_model: Callable[[str], None] = any_model,
) -> Rule:
    """Put a rule in force and point the alias at its stable version; it joins the caller's transaction.

    ModelNotFoundError for an unknown model, alias or version; RuleError; VersionStateError;
    RolloutConflictError while a roll-out decides for the alias that is not `rollout`; ApprovalError where the
    model's roll-outs need approvals and this does not only go back; what `check_model` raises for a model of
    the cascade.
    """
    Ref.parse(model)
    with transaction.atomic():
        row = RegisteredModel.objects.select_for_update().filter(name=model).first()
        if row is None:
            raise ModelNotFoundError(f"There is no model {model!r}.")
        check_free(model, alias, rollout=rollout)
        compiled = compile_rule(model=model, alias=alias, document=document, check_model=check_model)
        hold_flags(compiled.document.cohorts)
        if rollout is None:  # a roll-out's gate and its approvals have seen to that
            _check_approved(row, alias, compiled)
            check_approved(compiled.steps, model)
            _check_residents(compiled, _alias(model, alias))
        by = AliasChange(actor, address, reason, rollout, tuple(approvals))
        end_waiting_moves(row, alias, "A rule was put in force.")
        point(row, alias, ModelVersion.objects.get(pk=compiled.stable.id), by)
        rule = append_rule(row, alias, compiled.document, by, compiled.plan)
        selectors.forget()
        transaction.on_commit(selectors.forget)
    return rule


def compile_rule(
    *,
    model: str,
    alias: str,
    document: Mapping[str, Any],
    check_model: Callable[[str], None] = any_model,
) -> CompiledRule:
    """Return a rule as it would decide, with its salt, after all checks but for live roll-outs and workers.

    The errors of `put_rule`. Its id and number are 0, because it is not in force.
    """
    Ref.parse(model)  # what is no name may not even be text for Postgres
    rule = RuleDocument.of(document)
    if rule.cascade:  # first, because the other checks say what a model has
        check_models(rule.cascade, check_model)
    before = _alias(model, alias)
    _check_shape(rule)
    flags = check_cohorts(rule.cohorts)
    stable = _version(model, rule.stable)
    candidate = _version(model, rule.candidate) if rule.candidate else None
    arms = tuple(_version(model, arm.version) for arm in rule.arms)
    shadow = _version(model, rule.shadow.version) if rule.shadow else None
    plan, steps = planned(model, alias, rule.cascade) if rule.cascade else ((), ())
    for version in (candidate, *arms, *steps):
        if version and version.id != stable.id:
            _check_pair(stable, version, rule)
    if shadow:
        if shadow.id in {step.id for step in steps}:  # also behind an alias
            raise RuleError(
                f"The shadow {shadow.version} is a step of this rule's cascade, and answers jobs."
            )
        _check_shadow(stable, shadow, rule)
    salted = msgspec.structs.replace(rule, salt=rule.salt or _salt(rule, before.rule))
    return CompiledRule(0, 0, None, salted, stable, candidate, arms, shadow, steps, plan, flags=flags)


def _check_shape(rule: RuleDocument) -> None:
    """Raise RuleError for parts of a rule that do not go together."""
    if rule.candidate is None and (rule.share or rule.baseline):
        raise RuleError("A share or a baseline needs a candidate.")
    if sum((rule.candidate is not None, bool(rule.arms), rule.cascade is not None)) > 1:
        raise RuleError("A rule has a candidate, arms or a cascade: one of these three.")
    if rule.candidate == rule.stable:
        raise RuleError("The candidate is the stable version itself.")
    if rule.cohorts and not (rule.candidate or rule.arms or rule.cascade):
        raise RuleError("A cohort needs a candidate, arms or a cascade.")
    if rule.candidate is None and any(cohort.arm == "candidate" for cohort in rule.cohorts):
        raise RuleError("A cohort with the arm `candidate` needs a candidate.")
    _check_arms(rule)
    if rule.shadow and rule.shadow.version in {
        rule.stable,
        rule.candidate,
        *(arm.version for arm in rule.arms),
    }:
        raise RuleError(f"The shadow {rule.shadow.version} answers jobs of this rule already.")


def _check_arms(rule: RuleDocument) -> None:
    names = [arm.version for arm in rule.arms]
    if len(names) == 1:
        raise RuleError("An A/B test has at least two arms.")
    if len(set(names)) < len(names):
        raise RuleError("Each arm of an A/B test has a version of its own.")
    total = sum(round(arm.share * PPM) for arm in rule.arms)
    if total > PPM:
        raise RuleError(f"The shares of the arms add up to {total / PPM:g}, which is more than 1.")


def _alias(model: str, alias: str) -> Alias:
    rows = Alias.objects.select_related("rule", "version").filter(model__name=model, name=alias)
    if (row := rows.first()) is None:
        raise ModelNotFoundError(f"There is no model '{model}@{alias}'.")
    return row


def _version(model: str, version: str) -> VersionInfo:
    row = ModelVersion.objects.select_related("model").filter(model__name=model, version=version).first()
    if row is None:
        raise ModelNotFoundError(f"There is no model '{model}:{version}'.")
    check_staged(row)
    return VersionInfo.of(row)


def _check_pair(stable: VersionInfo, candidate: VersionInfo, rule: RuleDocument) -> None:
    if rule.schema == "same" and stable.input_schema_text != candidate.input_schema_text:
        raise RuleError(
            f"The input schemas of {stable} and {candidate} differ, so a job could not be taken back: with"
            ' "schema": "both" each input is checked against both.'
        )
    if not candidate.secrecy.covers(stable.secrecy):
        raise RuleError(f"{candidate} protects its inputs less than {stable} does.")
    check_sealing(stable, candidate)


def _check_shadow(stable: VersionInfo, shadow: VersionInfo, rule: RuleDocument) -> None:
    """Raise RuleError where a version cannot run copies of the stable version's jobs."""
    if rule.schema == "same" and stable.input_schema_text != shadow.input_schema_text:
        raise RuleError(
            f'The input schemas of {stable} and its shadow {shadow} differ: with "schema": "both" the shadow'
            " gets the copies all the same, and an input that it refuses counts as its failure."
        )
    if not shadow.secrecy.covers(stable.secrecy):
        raise RuleError(
            f"{shadow} protects its inputs less than {stable} does, so it gets no copies of them."
        )
    if shadow.secrecy.encrypt != stable.secrecy.encrypt:
        raise RuleError(
            f"Of {shadow} and {stable} only one encrypts: register a version like {shadow} that does as"
            f" {stable}, and name that as the shadow."
        )


def check_sealing(stable: VersionInfo, candidate: VersionInfo) -> None:
    """Raise RuleError unless both versions encrypt, or neither does."""
    if candidate.secrecy.encrypt != stable.secrecy.encrypt:
        raise RuleError(
            f"{candidate} encrypts and {stable} does not, so a job could not be taken back: register a"
            " version like the stable one that encrypts, move the alias to it, and roll out from there."
        )


def check_cohorts(cohorts: Collection[Cohort]) -> Mapping[str, CompiledFlag]:
    """Return the flags that cohorts name.

    RuleError for a cohort whose schema is none, may keep a process busy, or is over other things, and for an
    unknown flag.
    """
    for number, cohort in enumerate(cohorts, 1):
        if cohort.when is None and cohort.flag is None:
            raise RuleError(f"Cohort {number} names no jobs: give `when`, `flag` or both.")
        if cohort.when is not None:
            check_described(f"The schema of cohort {number}", cohort.when, RuleError)
    return flags_of(cohorts)


def _check_approved(model: RegisteredModel, alias: str, compiled: CompiledRule) -> None:
    """Raise ApprovalError where one person would give a version jobs that a roll-out needs approvals for."""
    if not model.approvals:
        return
    moves = Promotion.objects.filter(model=model.name, alias=alias).values_list("before", flat=True)
    stood_for = {_alias(model.name, alias).version.version, *moves}
    new = {version.id for version in compiled.versions} - {compiled.stable.id}  # steps may be other models'
    if new or compiled.stable.version not in stood_for:
        raise ApprovalError(
            f"A version of {model.name} gets jobs by a roll-out that other people approve: start one. A rule"
            " may only go back to a version that the alias stood for."
        )


def _check_residents(compiled: CompiledRule, before: Alias) -> None:
    """Raise RuleError where a live worker has not loaded a version that would newly get jobs."""
    had = {before.version_id}
    if before.rule is not None:
        rules = rule_reads.compiled({before.rule.id: VersionInfo.of(before.version)})
        had |= {version.id for rule in rules.values() for version in rule.resident}
    for version in compiled.resident:
        if version.id in had:
            continue
        if without := workers_without(version.model, version.id):
            nodes = ", ".join(worker.node for worker in without)
            raise RuleError(f"{version} is not loaded on {nodes}: manage.py load_model {version}")


def _salt(rule: RuleDocument, before: Rule | None) -> str:
    """Return the salt of the rule before, so that a share that grows keeps whom it had; else a new one."""
    same = before is not None and _drawn_by(RuleDocument.of(before.document)) == _drawn_by(rule)
    return before.document["salt"] if before is not None and same else secrets.token_hex(8)


def _drawn_by(rule: RuleDocument) -> tuple[str | None, list[str]]:
    """Return what has to stay the same for a share to keep the jobs that it had."""
    return rule.candidate, [arm.version for arm in rule.arms]
