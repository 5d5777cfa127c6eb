"""A page has the last compared hour of each field, and whether it and the hour before are an alarm."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from jobs.db.connections import connect
from jobs.db.session_settings import Use
from jobs.models import DriftHour
from jobs.services.drift.drift_figures import DriftFigure, read_drift
from models_registry.core.version import VersionInfo
from tests.support.drift import HOUR, this_hour, watched


def compared(info: VersionInfo, hour: datetime, field: str, psi: float | None, *, exceeds: bool) -> None:
    DriftHour.objects.create(version_id=info.id, hour=hour, field=field, n=9, psi=psi, exceeds=exceeds)


def figures() -> list[Any]:
    with connect("tests", Use.PAGE, direct=True) as session:
        return read_drift(session)


def test_the_last_hour_of_each_field_counts_with_the_one_before(echo: VersionInfo) -> None:
    other = watched("other", "2")
    last, before = this_hour() - HOUR, this_hour() - 2 * HOUR
    for info, field, was, now in (
        (echo, "both", True, True), (echo, "began", False, True), (echo, "ended", True, False),
        (other, "both", False, True),
    ):  # fmt: skip
        compared(info, before, field, 0.7, exceeds=was)
        compared(info, last, field, 0.3, exceeds=now)
    compared(echo, last, "alone", 0.1, exceeds=True)
    assert sorted(figures()) == [
        DriftFigure("echo", "1", "alone", 0.1, drifts=False),
        DriftFigure("echo", "1", "began", 0.3, drifts=False),
        DriftFigure("echo", "1", "both", 0.3, drifts=True),
        DriftFigure("echo", "1", "ended", 0.3, drifts=False),
        DriftFigure("other", "2", "both", 0.3, drifts=False),
    ]
    assert figures()[0].field == "both", "what drifts comes first, because a page has a limit"


def test_an_old_hour_and_one_without_figures_are_left_out(echo: VersionInfo) -> None:
    compared(echo, this_hour() - 4 * HOUR, "old", 0.5, exceeds=True)
    compared(echo, this_hour() - 2 * HOUR, "then none", 0.5, exceeds=True)
    compared(echo, this_hour() - HOUR, "then none", None, exceeds=False)
    assert figures() == []
