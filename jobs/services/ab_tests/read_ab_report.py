"""Read the report of a rule with arms."""

from __future__ import annotations

from jobs.core.ab_tests.ab_report import AbReport, AbRule, ab_report
from jobs.core.errors import NoAbTestError, ResourceNotFoundError
from jobs.db.statement import storable
from jobs.services.ab_tests.count_ab import MOST_JOBS, CountedRule, count_ab
from models_registry.core.refs import Ref
from models_registry.core.routing.rule_document import RuleDocument
from models_registry.models import ModelVersion, Rule

LARGEST_NUMBER = 2**31 - 1


def read_ab_report(*, model: str, alias: str, number: int, most: int = MOST_JOBS) -> AbReport:
    """Return what the A/B test of a rule has shown in its first `most` jobs.

    ModelNotFoundError for no name of a model; ResourceNotFoundError for no such rule; NoAbTestError for one
    without arms.
    """
    name = Ref.parse(model).name
    rule = _rule(name, alias, number)
    document = RuleDocument.of(rule.document)
    if not document.arms:
        raise NoAbTestError(f"Rule {number} of {name}@{alias} has no arms, so there is nothing to report.")
    following = Rule.objects.filter(model=name, alias=alias, number=number + 1).first()
    until = following.at if following else None
    arms = {arm.version for arm in document.arms}
    rows = ModelVersion.objects.filter(model__name=name, version__in={*arms, document.stable})
    versions = dict(rows.values_list("id", "version"))
    counted = CountedRule(
        rule.pk,
        next((row for row, version in versions.items() if version == document.stable), 0),
        {row: version for row, version in versions.items() if version in arms},
        rule.at,
        until,
    )
    counts = count_ab(counted, most=most)
    return ab_report(AbRule(name, alias, number, document, rule.at, until), counts)


def _rule(model: str, alias: str, number: int) -> Rule:
    known = storable(alias) and number <= LARGEST_NUMBER
    rule = Rule.objects.filter(model=model, alias=alias, number=number).first() if known else None
    if rule is None:
        raise ResourceNotFoundError(f"There is no rule {number} of {model}@{alias}.")
    return rule
