"""The report on a rule's cascade, for the API, the command and the admin."""

from __future__ import annotations

from typing import Any

import msgspec

from jobs.core.cascades.cascade_report import CascadeReport, cascade_report
from jobs.core.cascades.report_request import CascadeAsk
from jobs.core.errors import ResourceNotFoundError
from jobs.db.statement import storable
from jobs.services.rollouts.cascades.right_labels import feedback_labels
from jobs.services.rollouts.cascades.seen_jobs import labelled_jobs, seen_jobs
from models_registry.core.refs import DEFAULT_ALIAS
from models_registry.core.routing.cascade_plan import Plan, plan_from
from models_registry.models import Rule
from models_registry.selectors import info

EVERY_JOB = CascadeAsk()
LABEL = "/label"


class RuleReport(msgspec.Struct, frozen=True):
    """What the cascade of a rule did; `plan` are its steps, of which a check names one by its index."""

    model: str
    alias: str
    rule: int
    plan: list[Any]
    report: CascadeReport


def rule_report(
    *, model: str, number: int, alias: str = DEFAULT_ALIAS, asked: CascadeAsk = EVERY_JOB
) -> RuleReport:
    """Return the report on the newest jobs of a rule's cascade.

    ResourceNotFoundError where there is no such rule, or it has no cascade.
    """
    row = None
    if storable(model) and storable(alias):
        row = Rule.objects.filter(model=model, alias=alias, number=number, steps__isnull=False).first()
    if row is None:
        raise ResourceNotFoundError(f"There is no rule {number} of this alias that has a cascade.")
    return report_of(row, asked)


def report_of(rule: Rule, asked: CascadeAsk = EVERY_JOB) -> RuleReport:
    """Return the report on a rule that has a cascade."""
    plan = plan_from(rule.steps)
    jobs = seen_jobs(rule.pk, most=asked.most)
    truths = asked.truths or feedback_labels([job.job for job in jobs])
    if truths:
        jobs = labelled_jobs(jobs, truths, at=_label_place(plan) if asked.at is None else asked.at)
    report = cascade_report(jobs, threshold=plan[0].checks[0].below)
    return RuleReport(rule.model, rule.alias, rule.number, rule.steps or [], report)


def _label_place(plan: Plan) -> str:
    """Return where the label of the last step's version is, as far as its options say."""
    agreement = info(plan[-1].id).platform_options.agreement
    return agreement.at if agreement.by == "label" else LABEL
