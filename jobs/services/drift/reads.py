"""What is known of the drift of a model's versions, for the API, the command, the client and the admin."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple

from jobs.core.drift.drift_alarm import HOURS, DriftFinding, is_drift
from jobs.core.errors import WrongStateError
from jobs.db import database_clock
from jobs.models import DriftAlarm, DriftHour, FrozenReference
from jobs.services.drift.field_sketch import FieldSketch
from jobs.services.drift.missing_values import with_missing
from jobs.services.drift.reference import (
    HOUR,
    REFERENCE_JOBS,
    hour_of,
    jobs_since_promotion,
    reference_of,
)
from jobs.services.drift.sketch_rows import read_sketches
from jobs.services.drift.watched_versions import version_named, watched
from models_registry.core.version import VersionInfo

RECENT = 3 * HOUR  # an older comparison does not say how it is now
MOST_ALARMS = 20
MOST_HOURS = 720
SHOWN_HOURS = 48


class HourView(NamedTuple):
    """One hour of a field; the figures are None where it cannot be compared."""

    hour: datetime
    n: int
    missing: int
    psi: float | None
    distance: float | None
    bound: float | None
    exceeds: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldView:
    """A field: whether it drifts now, its reference and its last hour as quantiles or labels, its hours."""

    field: str
    drifts: bool
    reference: dict[str, Any] | None
    last: dict[str, Any] | None
    hours: list[HourView]


class AlarmView(NamedTuple):
    """An alarm with the fields that began to drift; `webhook` is None where none is sent."""

    id: int
    hour: datetime
    fields: dict[str, Any]
    generation: int | None
    webhook: str | None
    attempts: int
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceView:
    """From where a reference is, how many sampled jobs it has, and from which hour on it is used."""

    origin: str
    jobs: int
    compared_from: datetime
    actor: str
    frozen_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionDrift:
    """The drift of one version; `jobs` of `jobs_required` are sampled where it has no reference yet.

    Of one that is `guarded`, whose jobs hold personal data, its values are not for whoever may roll out.
    """

    version: str
    guarded: bool
    sentence: str
    drifting: list[str]
    reference: ReferenceView | None
    jobs: int
    jobs_required: int
    fields: list[FieldView]
    alarms: list[AlarmView]


def drift_of(model: str, *, version: str | None = None, hours: int = SHOWN_HOURS) -> list[VersionDrift]:
    """Return the drift of a model's watched versions, newest first, or of one; ModelNotFoundError.

    WrongStateError where the one that is named is not watched.
    """
    infos = watched(model)
    if version is not None:
        info = version_named(model, version)
        if not info.platform_options.monitor.on:
            raise WrongStateError(f"{info} is not watched: register a version with the option `monitor`.")
        infos = [info]
    now = database_clock.read_now()
    return [_version_drift(info, now, hours) for info in infos]


def hours_of_field(version: int, field: str, *, hours: int) -> list[HourView]:
    """Return the last hours of one field of a version by its row id, oldest first; none where it has none."""
    since = hour_of(database_clock.read_now()) - hours * HOUR
    rows = DriftHour.objects.filter(version_id=version, hour__gte=since, field=field)
    return [_hour(row) for row in rows.order_by("hour")]


def _version_drift(info: VersionInfo, now: datetime, hours: int) -> VersionDrift:
    frozen = FrozenReference.objects.filter(version_id=info.id).first()
    fields = _fields(info, now, hours)
    drifting = [one.field for one in fields if one.drifts]
    jobs = frozen.jobs if frozen else jobs_since_promotion(info)
    return VersionDrift(
        version=info.version, guarded=info.secrecy.guarded, drifting=drifting, jobs=jobs,
        jobs_required=REFERENCE_JOBS, fields=fields,
        sentence=_sentence(frozen is not None, jobs, drifting, fields),
        reference=_reference(frozen), alarms=_alarms(info.id),
    )  # fmt: skip


def _sentence(has_reference: bool, jobs: int, drifting: list[str], fields: list[FieldView]) -> str:  # noqa: FBT001
    if not has_reference:
        return (
            f"No reference yet: {jobs:,} of {REFERENCE_JOBS:,} jobs were sampled since its promotion."
            if jobs
            else "No reference yet: it is frozen of the first jobs after an alias is moved to the version."
        )
    if drifting:
        return f"It drifts: {', '.join(drifting)}."
    if not any(one.hours for one in fields):
        return "No hour has been compared with its reference yet."
    return "No drift."


def _reference(frozen: FrozenReference | None) -> ReferenceView | None:
    if frozen is None:
        return None
    names = ReferenceView.__dataclass_fields__
    return ReferenceView(**{name: getattr(frozen, name) for name in names})


def _fields(info: VersionInfo, now: datetime, hours: int) -> list[FieldView]:
    rows = DriftHour.objects.filter(version_id=info.id, hour__gte=hour_of(now) - hours * HOUR)
    by_field = {
        field: [_hour(row) for row in group]
        for field, group in groupby(rows.order_by("field", "hour"), key=lambda row: row.field)
    }
    reference = reference_of(info.id)
    last = max((seen[-1].hour for seen in by_field.values()), default=None)
    sketches = {} if last is None else read_sketches(info.id, since=last, until=last + HOUR).get(last, {})
    latest, reference = with_missing(sketches, reference)
    return [
        FieldView(
            field=field,
            drifts=drifts_now(by_field.get(field, ()), now),
            reference=_summary(reference, field),
            last=_summary(latest, field),
            hours=by_field.get(field, []),
        )
        for field in sorted({*by_field, *reference})
    ]


def _summary(sketches: Mapping[str, FieldSketch], field: str) -> dict[str, Any] | None:
    sketch = sketches.get(field)
    return None if sketch is None else {"n": sketch.n, "missing": sketch.missing, **sketch.summary()}


def _hour(row: DriftHour) -> HourView:
    return HourView(**{name: getattr(row, name) for name in HourView._fields})


def drifts_now(hours: Iterable[HourView], now: datetime) -> bool:
    """Return whether the last hours of a field, oldest first, are an alarm and not older than three hours."""
    last = list(hours)[-HOURS:]
    if len(last) < HOURS or last[-1].hour < now - RECENT or last[0].hour != last[-1].hour - HOUR:
        return False
    return is_drift([finding_of(hour) for hour in last])


def finding_of(hour: HourView) -> DriftFinding | None:
    """Return an hour's figures as the comparison made them; None without."""
    if hour.psi is None or hour.distance is None or hour.bound is None:
        return None
    return DriftFinding(hour.psi, hour.distance, hour.bound)


def _alarms(version: int) -> list[AlarmView]:
    rows = DriftAlarm.objects.filter(version_id=version).order_by("-hour")[:MOST_ALARMS]
    return [
        AlarmView(row.pk, row.hour, row.fields, row.generation, row.state or None, row.attempts, row.answer)
        for row in rows
    ]
