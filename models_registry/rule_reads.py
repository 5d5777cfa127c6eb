"""Reads of rules and roll-outs for `selectors`, which caches them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from hashlib import sha256
from typing import Any

import msgspec
from django.db.models import Q

from models_registry.core.refs import Ref
from models_registry.core.rollouts.rollout_states import LIVE, RolloutState
from models_registry.core.routing.cascade_plan import plan_from
from models_registry.core.routing.decision import CompiledRule
from models_registry.core.routing.flag_document import CompiledFlag
from models_registry.core.routing.rule_document import RuleDocument
from models_registry.core.version import VersionInfo
from models_registry.core.version_states import VersionState
from models_registry.flag_reads import flags_named
from models_registry.models import Alias, ModelVersion, Rollout, Rule

WANTED_STATES = sorted(state.value for state in LIVE - {RolloutState.PLANNED})


def compiled(stables: Mapping[int, VersionInfo]) -> dict[int, CompiledRule]:
    """Return rules with their versions, given the stable ones; none that gives jobs to one not staged.

    A shadow that is not staged runs no copies, and nothing else of its rule changes.
    """
    rules = {rule: RuleDocument.of(rule.document) for rule in Rule.objects.filter(id__in=stables)}
    named = _any_of({one for rule, document in rules.items() for one in _named(rule, document)})
    rows = ModelVersion.objects.select_related("model").filter(named, state=VersionState.STAGED)
    staged = {(row.model.name, row.version): VersionInfo.of(row) for row in rows}
    flags = flags_named({cohort.flag for rule in rules.values() for cohort in rule.cohorts if cohort.flag})
    found = (
        _compiled(rule, document, stables[rule.id], staged, flags)
        for rule, document in rules.items()
        if all(one in staged for one in _answering(rule, document))
    )
    return {rule.id: rule for rule in found}


def _compiled(
    rule: Rule,
    document: RuleDocument,
    stable: VersionInfo,
    staged: Mapping[tuple[str, str], VersionInfo],
    flags: Mapping[str, CompiledFlag],
) -> CompiledRule:
    return CompiledRule(
        rule.id,
        rule.number,
        rule.rollout,
        document,
        stable,
        candidate=staged[rule.model, document.candidate] if document.candidate else None,
        arms=tuple(staged[rule.model, arm.version] for arm in document.arms),
        shadow=staged.get((rule.model, document.shadow.version)) if document.shadow else None,
        steps=tuple(staged[one] for one in _steps(rule)),
        plan=plan_from(rule.steps or []),
        digest=_digest(rule.sha256, rule.steps) if rule.steps else b"",
        flags=flags,
    )


def _digest(document: str, steps: Any) -> bytes:
    return sha256(document.encode() + msgspec.json.encode(steps, order="deterministic")).digest()


def shadow_rules() -> list[tuple[str, CompiledRule]]:
    """Return the rules in force that copy jobs to a version which is staged, each with its alias."""
    aliases = Alias.objects.select_related("version__model").exclude(rule=None)
    named = {alias.rule_id: alias for alias in aliases.exclude(rule__document__shadow=None) if alias.rule_id}
    rules = compiled({rule: VersionInfo.of(alias.version) for rule, alias in named.items()})
    return [(named[key].name, rule) for key, rule in rules.items() if rule.shadow is not None]


def routed_versions(names: Collection[str]) -> tuple[list[int], list[int]]:
    """Return the versions that rules and roll-outs give jobs to, and the candidates at their gates."""
    routed, gating = _named_by_rules(names), list[int]()
    live = Rollout.objects.filter(model__name__in=names, state__in=WANTED_STATES).order_by("id")
    for state, stable, candidate in live.values_list("state", "stable_id", "candidate_id"):
        if state == RolloutState.GATING:
            gating.append(candidate)
        else:
            routed += [stable, candidate]
    return list(dict.fromkeys(routed)), gating


def _named_by_rules(names: Collection[str]) -> list[int]:
    # A cascade may name versions of other models than its alias's.
    aliases = Alias.objects.filter(Q(model__name__in=names) | Q(rule__steps__isnull=False))
    rules = Rule.objects.filter(id__in=aliases.values("rule"))
    named = {one for rule in rules for one in _named(rule, RuleDocument.of(rule.document))}
    ours = [(name, version) for name, version in named if name in names]
    return list(ModelVersion.objects.filter(_any_of(ours)).order_by("id").values_list("id", flat=True))


def _any_of(named: Collection[tuple[str, str]]) -> Q:
    either = Q(pk__in=())  # none of none
    for name, version in named:
        either |= Q(model__name=name, version=version)
    return either


def _answering(rule: Rule, document: RuleDocument) -> list[tuple[str, str]]:
    """Return the versions beside the stable one that jobs may get, each with its model's name."""
    own = [*([document.candidate] if document.candidate else []), *(arm.version for arm in document.arms)]
    return [*((rule.model, version) for version in own), *_steps(rule)]


def _named(rule: Rule, document: RuleDocument) -> list[tuple[str, str]]:
    shadow = [(rule.model, document.shadow.version)] if document.shadow else []
    return [*_answering(rule, document), *shadow]


def _steps(rule: Rule) -> list[tuple[str, str]]:
    refs = [Ref.parse(step["version"]) for step in rule.steps or ()]
    return [(ref.name, ref.version) for ref in refs]
