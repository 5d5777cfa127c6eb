"""The report of an A/B test as one HTML page, with its pictures in it."""

from __future__ import annotations

from base64 import b64encode

from django.template.loader import render_to_string

from jobs.core.ab_tests.ab_report import AbReport
from jobs.core.ab_tests.ab_words import unit_words
from jobs.services.ab_tests.ab_pictures import ab_pictures

# Nothing on the page loads anything, and no label that a client made up is a script.
PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def ab_page(report: AbReport) -> str:
    """Return the page of a report."""
    pictures = {name: b64encode(picture).decode() for name, picture in ab_pictures(report).items()}
    context = {
        "report": report,
        "unit": unit_words(report.sticky),
        "exposed": pictures.get("exposed"),
        "errors": pictures.get("errors"),
        "feedback": [
            {"named": named, "picture": pictures.get(f"feedback {number}"), "labels": _labels(report, number)}
            for number, named in enumerate(report.feedback, 1)
        ],
    }
    return render_to_string("trials/ab_test.html", context)


def _labels(report: AbReport, number: int) -> list[tuple[str, list[int]]]:
    labels = report.feedback[number - 1].labels
    return [(label, [row.get(arm.version, 0) for arm in report.arms]) for label, row in labels.items()]
