"""The drift of a model's versions as the API shows it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from ninja import Schema
from pydantic import Field

from jobs.core.drift.counted_labels import OTHER
from jobs.core.drift.field_names import LABEL
from jobs.core.trials.label_counts import numbered
from jobs.services.drift.reads import AlarmView, FieldView, VersionDrift


class DriftHourSchema(Schema):
    """One hour of a field; the figures are null where it cannot be compared."""

    hour: datetime = Field(description="The beginning of the hour, UTC.")
    n: int = Field(description="Sampled jobs that have a value.")
    missing: int = Field(description="Sampled jobs that have none, or no usable one.")
    psi: float | None = Field(description="Population stability index against the reference.")
    distance: float | None = Field(description="The largest distance of the shares (Kolmogorov and Smirnov).")
    bound: float | None = Field(description="What chance and the sketches explain of that distance.")
    exceeds: bool = Field(description="Whether it counts: two such hours running are an alarm.")


class DriftSummarySchema(Schema):
    """The values of a field: quantiles of numbers, or labels by count.

    Of a version whose jobs hold personal data there are no quantiles, and numbers in the place of labels.
    """

    n: int
    missing: int
    quantiles: dict[str, float] | None = Field(None, description="By share, such as `0.5` for the median.")
    labels: dict[str, int] | None = Field(
        None, description="The most frequent labels; `(other)` for the rest."
    )


class DriftFieldSchema(Schema):
    """A watched field, such as `input:bytes`, `input:/age`, `output:label` or `output:vector:p3`.

    `missing:input:/age` counts the jobs with and without a value of the kind that was watched.
    """

    field: str
    drifts: bool = Field(description="Whether its last two hours are an alarm.")
    reference: DriftSummarySchema | None
    last: DriftSummarySchema | None = Field(description="Its values in the last hour that was compared.")
    hours: list[DriftHourSchema]


class DriftFiguresSchema(Schema):
    """The figures of a field in the hour of an alarm."""

    psi: float
    distance: float
    bound: float
    n: int


class DriftAlarmSchema(Schema):
    """Fields that began to drift."""

    id: int
    hour: datetime = Field(description="The second of the two hours.")
    fields: dict[str, DriftFiguresSchema]
    generation: int | None = Field(description="Of the model's cache, where the alarm purged it.")
    webhook: str | None = Field(description="The state of its webhook; null where the version names none.")
    attempts: int
    answer: str = Field(description="The outcome of the last attempt to send the webhook.")


class DriftReferenceSchema(Schema):
    """What a version's hours are compared with."""

    origin: str
    jobs: int = Field(description="Sampled jobs in it.")
    compared_from: datetime
    actor: str
    frozen_at: datetime


class VersionDriftSchema(Schema):
    """The drift of one version."""

    version: str
    sentence: str = Field(description="How it stands, for people.")
    drifting: list[str] = Field(description="The fields that drift now.")
    reference: DriftReferenceSchema | None
    jobs: int = Field(description="Sampled jobs of the reference, or towards it.")
    jobs_required: int = Field(description="Sampled jobs from which on it is frozen.")
    fields: list[DriftFieldSchema]
    alarms: list[DriftAlarmSchema] = Field(description="Newest first.")


class DriftSchema(Schema):
    """The drift of a model's watched versions, newest first."""

    model: str
    versions: list[VersionDriftSchema]

    @classmethod
    def of(cls, model: str, drifts: Iterable[VersionDrift]) -> dict[str, Any]:
        """Return the members."""
        return {"model": model, "versions": [members_of(drift) for drift in drifts]}


def members_of(drift: VersionDrift) -> dict[str, Any]:
    """Return the members of one version's drift."""
    names = ("version", "sentence", "drifting", "jobs", "jobs_required")
    return {name: getattr(drift, name) for name in names} | {
        "reference": asdict(drift.reference) if drift.reference else None,
        "fields": [_field(_unnamed(field) if drift.guarded else field) for field in drift.fields],
        "alarms": [_alarm(alarm) for alarm in drift.alarms],
    }


def _unnamed(field: FieldView) -> FieldView:
    """Return a field without its values, as a report of a backtest is without them."""
    shown = (field.reference, field.last)
    if field.field == LABEL:
        names = numbered(sorted({name for one in shown if one for name in one["labels"]} - {OTHER}))
        reference, last = (_with_labels(one, names) for one in shown)
    else:
        reference, last = (one and {**one, "quantiles": None} for one in shown)
    return replace(field, reference=reference, last=last)


def _with_labels(summary: dict[str, Any] | None, names: Mapping[str, str]) -> dict[str, Any] | None:
    if summary is None:
        return None
    labels = {names.get(name, name): count for name, count in summary["labels"].items()}
    return {**summary, "labels": labels}


def _field(field: FieldView) -> dict[str, Any]:
    names = ("field", "drifts", "reference", "last")
    return {name: getattr(field, name) for name in names} | {"hours": [one._asdict() for one in field.hours]}


def _alarm(alarm: AlarmView) -> dict[str, Any]:
    return alarm._asdict()
