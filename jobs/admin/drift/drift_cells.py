"""The drift of a version in tables beside the pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from jobs.services.drift.reads import AlarmView, FieldView, HourView, VersionDrift
from models_registry.shared.admin_moment import moment
from models_registry.shared.admin_render import NONE, table

PICTURE = "jobs_drift_picture"
SHOWN_HOURS = 12  # in a table; the picture has all
_IMAGE = '<img src="{}" alt="{} by hour; the tables beside it have the numbers" class="picture">'


def field_parts(version: int, drift: VersionDrift, *, values: bool) -> SafeString | str:
    """Return each field with its picture and its last hours, drifting ones first.

    With `values` there are quantiles and labels of the reference and of the last hour too.
    """
    fields = sorted(drift.fields, key=lambda one: (not one.drifts, one.field))
    parts = [(_field(version, one, values=values),) for one in fields]
    return format_html_join("", "{}", parts) if parts else NONE


def _field(version: int, field: FieldView, *, values: bool) -> SafeString:
    shown = _values(field) if values else ""
    head = format_html("<h3>{}{}</h3>", field.field, ": it drifts" if field.drifts else "")
    if not any(hour.psi is not None for hour in field.hours):
        return format_html("{}{}", head, shown)
    query = urlencode({"field": field.field, "at": int(field.hours[-1].hour.timestamp())})
    address = f"{reverse(f'admin:{PICTURE}', args=(version,))}?{query}"
    image = format_html(_IMAGE, address, field.field)
    return format_html("{}{}{}{}", head, image, _hours(field.hours), shown)


def _hours(hours: Sequence[HourView]) -> SafeString:
    rows = [
        (moment(hour.hour), f"{hour.n:,}", f"{hour.missing:,}", _figure(hour.psi), _figure(hour.distance),
         _figure(hour.bound), "yes" if hour.exceeds else "no")
        for hour in reversed(hours[-SHOWN_HOURS:])
    ]  # fmt: skip
    return table(("hour", "values", "missing", "index", "distance", "no drift up to", "counts"), rows)


def _figure(value: float | None) -> str:
    return NONE if value is None else f"{value:.3f}"


def _values(field: FieldView) -> SafeString:
    """Return quantiles, or labels with their shares, of the reference and of the last hour."""
    before, now = (_shares(one) for one in (field.reference, field.last))
    names = sorted({*before, *now}, key=_order)
    rows = [(name, before.get(name, NONE), now.get(name, NONE)) for name in names]
    return table(("label or share of jobs", "reference", "last hour"), rows) if rows else NONE_SHOWN


NONE_SHOWN = format_html("<p>{}</p>", "Nothing has been sampled of it yet.")


def _order(name: str) -> tuple[bool, float, str]:
    try:
        return False, float(name), name
    except ValueError:
        return True, 0.0, name


def _shares(summary: dict[str, Any] | None) -> dict[str, str]:
    if summary is None:
        return {}
    if "labels" not in summary:
        return {name: f"{value:g}" for name, value in summary["quantiles"].items()}
    whole = sum(summary["labels"].values()) or 1
    return {name: f"{count:,} ({count / whole:.1%})" for name, count in summary["labels"].items()}


def alarm_table(alarms: Sequence[AlarmView]) -> SafeString | str:
    """Return the alarms, newest first, with what became of their webhooks."""
    rows = [
        (moment(one.hour), ", ".join(sorted(one.fields)), one.generation,
         f"{one.webhook} after {one.attempts}: {one.answer}" if one.webhook else None)
        for one in alarms
    ]  # fmt: skip
    return table(("hour", "began to drift", "cache generation", "webhook"), rows) if rows else NONE
