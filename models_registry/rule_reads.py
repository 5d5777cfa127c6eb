"""Reads of rules and roll-outs for `selectors`, which caches them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from django.db.models import Q

from models_registry.core.routing.decision import CompiledRule
from models_registry.core.routing.rule_document import RuleDocument
from models_registry.core.version import VersionInfo
from models_registry.core.version_states import VersionState
from models_registry.models import Alias, ModelVersion, Rollout, Rule
from models_registry.models.rollouts import LIVE_STATES


def compiled(stables: Mapping[int, VersionInfo]) -> dict[int, CompiledRule]:
    """Return rules with their versions, given the stable ones; none whose candidate is not staged."""
    rules = {rule: RuleDocument.of(rule.document) for rule in Rule.objects.filter(id__in=stables)}
    named = _any_of({(rule.model, document.candidate or "") for rule, document in rules.items()})
    staged = ModelVersion.objects.select_related("model").filter(named, state=VersionState.STAGED)
    candidates = {(row.model.name, row.version): VersionInfo.of(row) for row in staged}
    return {
        rule.id: CompiledRule(rule.id, rule.number, rule.rollout, document, stables[rule.id], candidate)
        for rule, document in rules.items()
        if (candidate := candidates.get((rule.model, document.candidate or "")))
    }


def candidates_of(names: Collection[str]) -> list[int]:
    """Return the versions, by row id, that rules and live roll-outs of these models may give jobs to."""
    rollouts = Rollout.objects.filter(model__name__in=names, state__in=LIVE_STATES)
    live = [key for pair in rollouts.order_by("id").values_list("stable", "candidate") for key in pair]
    rules = Rule.objects.filter(id__in=Alias.objects.filter(model__name__in=names).values("rule"))
    named = {(rule.model, rule.document["candidate"]) for rule in rules}
    versions = ModelVersion.objects.filter(_any_of(named)).order_by("id")
    return [*live, *(version.id for version in versions)]


def _any_of(named: Collection[tuple[str, str]]) -> Q:
    either = Q(pk__in=())  # none of none
    for name, version in named:
        either |= Q(model__name=name, version=version)
    return either
