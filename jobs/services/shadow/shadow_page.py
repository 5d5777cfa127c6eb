"""The report of a shadow as one HTML page, with its pictures in it."""

from __future__ import annotations

from base64 import b64encode

from django.template.loader import render_to_string

from jobs.services.shadow.shadow_views import ShadowView
from jobs.services.trials.report_page import failures_of, matrices_of, report_pictures


def shadow_page(shadow: ShadowView) -> str:
    """Return the page of a shadow."""
    report = shadow.report
    pictures = {name: b64encode(picture).decode() for name, picture in report_pictures(report).items()}
    matrices = [
        {"right": right, "picture": pictures.get(f"labels_{name}"), **matrix}
        for name, right, matrix in matrices_of(report)
    ]
    context = {
        "shadow": shadow,
        "report": report,
        "times": pictures.get("times"),
        "matrices": matrices,
        "failures": failures_of(report),
    }
    return render_to_string("trials/shadow.html", context)
