"""The report of a backtest as one HTML page, with its pictures in it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from typing import Any

from django.template.loader import render_to_string

from jobs.services.trials.report_pictures import labels_picture, times_picture
from jobs.services.trials.start_trial import TrialView


def report_pictures(report: dict[str, Any]) -> dict[str, bytes]:
    """Return the pictures of a report as PNG, by name."""
    pictures = {"times": times_picture(report["service_times"])} if report["service_times"] else {}
    for name, right, matrix in matrices_of(report):
        picture = labels_picture(matrix, right=right)
        if picture is not None:
            pictures[f"labels_{name}"] = picture
    return pictures


def report_page(trial: TrialView) -> str:
    """Return the page of a backtest that has a report."""
    report = trial.report or {}
    pictures = {name: b64encode(picture).decode() for name, picture in report_pictures(report).items()}
    matrices = [
        {"name": name, "right": right, "picture": pictures.get(f"labels_{name}"), **matrix}
        for name, right, matrix in matrices_of(report)
    ]
    context = {
        "trial": trial,
        "report": report,
        "times": pictures.get("times"),
        "matrices": matrices,
        "failures": failures_of(report),
        "exchanged": (report["labels"] or {}).get("exchanged", []),
    }
    return render_to_string("trials/backtest.html", context)


def matrices_of(report: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield each matrix of labels, with its name and what its rows are."""
    labels = report["labels"] or {}
    for name, right in (
        ("between", "label of the version compared with"),
        ("candidate", "true label"),
        ("stable", "true label, against the version compared with"),
    ):
        if labels.get(name):
            yield name, right, labels[name]


def failures_of(report: dict[str, Any]) -> list[tuple[str, int, int]]:
    """Return the failures by code, of the version and of the one that it is compared with."""
    ours, theirs = report["failures"]["candidate"], report["failures"]["stable"]
    return [(code, ours.get(code, 0), theirs.get(code, 0)) for code in sorted({*ours, *theirs})]
