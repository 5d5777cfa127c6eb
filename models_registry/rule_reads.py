"""Reads of rules and roll-outs for `selectors`, which caches them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from django.db.models import Q

from models_registry.core.rollouts.rollout_states import LIVE, RolloutState
from models_registry.core.routing.decision import CompiledRule
from models_registry.core.routing.rule_document import RuleDocument
from models_registry.core.version import VersionInfo
from models_registry.core.version_states import VersionState
from models_registry.flag_reads import flags_named
from models_registry.models import Alias, ModelVersion, Rollout, Rule

WANTED_STATES = sorted(state.value for state in LIVE - {RolloutState.PLANNED})


def compiled(stables: Mapping[int, VersionInfo]) -> dict[int, CompiledRule]:
    """Return rules with their versions, given the stable ones; none whose candidate is not staged."""
    rules = {rule: RuleDocument.of(rule.document) for rule in Rule.objects.filter(id__in=stables)}
    named = _any_of({(rule.model, document.candidate or "") for rule, document in rules.items()})
    staged = ModelVersion.objects.select_related("model").filter(named, state=VersionState.STAGED)
    candidates = {(row.model.name, row.version): VersionInfo.of(row) for row in staged}
    flags = flags_named({cohort.flag for rule in rules.values() for cohort in rule.cohorts if cohort.flag})
    return {
        rule.id: CompiledRule(
            rule.id, rule.number, rule.rollout, document, stables[rule.id], candidate, flags
        )
        for rule, document in rules.items()
        if (candidate := candidates.get((rule.model, document.candidate or "")))
    }


def routed_versions(names: Collection[str]) -> tuple[list[int], list[int]]:
    """Return the versions that rules and roll-outs give jobs to, and the candidates at their gates."""
    routed, gating = _candidates_of_rules(names), list[int]()
    live = Rollout.objects.filter(model__name__in=names, state__in=WANTED_STATES).order_by("id")
    for state, stable, candidate in live.values_list("state", "stable_id", "candidate_id"):
        if state == RolloutState.GATING:
            gating.append(candidate)
        else:
            routed += [stable, candidate]
    return list(dict.fromkeys(routed)), gating


def _candidates_of_rules(names: Collection[str]) -> list[int]:
    rules = Rule.objects.filter(id__in=Alias.objects.filter(model__name__in=names).values("rule"))
    named = {(rule.model, rule.document["candidate"]) for rule in rules}
    return list(ModelVersion.objects.filter(_any_of(named)).order_by("id").values_list("id", flat=True))


def _any_of(named: Collection[tuple[str, str]]) -> Q:
    either = Q(pk__in=())  # none of none
    for name, version in named:
        either |= Q(model__name=name, version=version)
    return either
