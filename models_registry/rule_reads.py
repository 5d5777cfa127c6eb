"""Reads of rules and roll-outs for `selectors`, which caches them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from django.db.models import Q

from models_registry.core.rollouts.rollout_states import LIVE, RolloutState
from models_registry.core.routing.decision import CompiledRule
from models_registry.core.routing.rule_document import RuleDocument
from models_registry.core.version import VersionInfo
from models_registry.core.version_states import VersionState
from models_registry.models import Alias, ModelVersion, Rollout, Rule

WANTED_STATES = sorted(state.value for state in LIVE - {RolloutState.PLANNED})


def compiled(stables: Mapping[int, VersionInfo]) -> dict[int, CompiledRule]:
    """Return rules with their versions, given the stable ones; none that gives jobs to one not staged.

    A shadow that is not staged runs no copies, and nothing else of its rule changes.
    """
    rules = {rule: RuleDocument.of(rule.document) for rule in Rule.objects.filter(id__in=stables)}
    named = _any_of({(rule.model, name) for rule, document in rules.items() for name in _named(document)})
    rows = ModelVersion.objects.select_related("model").filter(named, state=VersionState.STAGED)
    staged = {(row.model.name, row.version): VersionInfo.of(row) for row in rows}
    found = (
        _compiled(rule, document, stables[rule.id], staged)
        for rule, document in rules.items()
        if all((rule.model, name) in staged for name in _answering(document))
    )
    return {rule.id: rule for rule in found}


def _compiled(
    rule: Rule, document: RuleDocument, stable: VersionInfo, staged: Mapping[tuple[str, str], VersionInfo]
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
    )


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
    rules = Rule.objects.filter(id__in=Alias.objects.filter(model__name__in=names).values("rule"))
    named = {(rule.model, name) for rule in rules for name in _named(RuleDocument.of(rule.document))}
    return list(ModelVersion.objects.filter(_any_of(named)).order_by("id").values_list("id", flat=True))


def _any_of(named: Collection[tuple[str, str]]) -> Q:
    either = Q(pk__in=())  # none of none
    for name, version in named:
        either |= Q(model__name=name, version=version)
    return either


def _answering(document: RuleDocument) -> list[str]:
    """Return the versions beside the stable one that jobs may get."""
    return [*([document.candidate] if document.candidate else []), *(arm.version for arm in document.arms)]


def _named(document: RuleDocument) -> list[str]:
    return [*_answering(document), *([document.shadow.version] if document.shadow else [])]
