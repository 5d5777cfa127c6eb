"""The report on a cascade as one HTML page, with its picture in it."""

from __future__ import annotations

from base64 import b64encode

from django.template.loader import render_to_string

from jobs.services.rollouts.cascades.cascade_words import curve_rows, figure_rows, headline, step_rows
from jobs.services.rollouts.cascades.rule_report import RuleReport
from jobs.services.rollouts.cascades.threshold_picture import curve_picture


def report_page(seen: RuleReport) -> str:
    """Return the page of a report."""
    picture = b64encode(curve_picture(seen.report, "png")).decode() if seen.report.jobs else ""
    context = {
        "seen": seen,
        "headline": headline(seen.report),
        "figures": figure_rows(seen.report),
        "steps": step_rows(seen.report),
        "curve": curve_rows(seen.report),
        "picture": picture,
    }
    return render_to_string("rollouts/cascade.html", context)
