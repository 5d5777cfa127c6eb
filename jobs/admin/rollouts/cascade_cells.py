"""What a rule's cascade did, and the steps of one job: in tables, with the curve over the threshold."""

from __future__ import annotations

from uuid import UUID

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.services.reads.job_steps import job_steps
from jobs.services.rollouts.cascades.cascade_words import curve_rows, figure_rows, headline, step_rows
from jobs.services.rollouts.cascades.rule_report import report_of
from models_registry.models import Rule
from models_registry.shared.admin_moment import moment
from models_registry.shared.admin_render import NONE, table, wide

CURVE = "models_registry_rule_curve"
_IMAGE = (
    '<img src="{}?jobs={}" alt="Jobs that go on and device time a job over the threshold; the table below has'
    ' the numbers" class="picture">'
)


def cascade_cells(rule: Rule) -> SafeString:
    """Return the report on a rule that has a cascade."""
    report = report_of(rule).report
    parts = [format_html("<p>{}</p>", headline(report))]
    if report.jobs:
        address = reverse(f"admin:{CURVE}", args=(rule.pk,))
        parts.append(wide(format_html(_IMAGE, address, report.jobs)))
        headers = ("threshold", "goes on", "device time a job", "right answers")
        parts.append(table(headers, curve_rows(report)))
        parts.append(table(("what", "value"), figure_rows(report)))
        parts.append(table(("version", "jobs", "how they ended", "device time", "a job"), step_rows(report)))
    return format_html("{}" * len(parts), *parts)


def steps_cell(job: UUID) -> SafeString | str:
    """Return the steps of a job that have ended, each with its version and how sure it was."""
    rows = [
        (
            str(step.number),
            step.version or NONE,
            step.why if step.hindrance is None else f"{step.why}, {step.hindrance}",
            NONE if step.confidence is None else f"{step.confidence:.4g}",
            NONE if step.worker is None else step.worker,
            moment(step.at),
        )
        for step in job_steps(job)
    ]
    return table(("step", "version", "how it ended", "confidence", "worker", "when"), rows) if rows else ""
