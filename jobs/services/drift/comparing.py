"""Each hour compared with the reference; what begins to drift raises an alarm.

An alarm is an Event, a metric, a webhook and, where the version asks for it, a purge of the cache.

Everything here may be repeated: an hour's figures are replaced, and a version has one alarm an hour.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.db import Error as DjangoDatabaseError
from django.db import transaction

from jobs import metrics
from jobs.core.access.audit_kinds import AuditKind
from jobs.core.drift.drift_alarm import DriftFinding, is_drift
from jobs.core.errors import UnavailableError
from jobs.core.webhooks.policy import DeliveryState
from jobs.db import database_clock
from jobs.models import DriftAlarm, DriftHour, FrozenReference
from jobs.services.access.audit import note
from jobs.services.drift.field_sketch import FieldSketch
from jobs.services.drift.missing_values import with_missing
from jobs.services.drift.reference import HOUR, PLATFORM, freeze_when_due, hour_of, moment_words, reference_of
from jobs.services.drift.sketch_rows import read_sketches, sampled_hours
from jobs.services.drift.watched_versions import all_watched
from jobs.services.reuse.generations import purge_cache
from models_registry.core.version import VersionInfo

log = logging.getLogger(__name__)
LATE_HOURS = 3  # compared again, because a worker without a database writes later
BACK_HOURS = 48  # after an outage of beat, so many hours are made up for
FIGURES = ("psi", "distance", "bound")


class ComparedVersions(NamedTuple):
    """How many versions were looked at, hours compared, and alarms raised."""

    versions: int
    hours: int
    alarms: int


@dataclass(frozen=True, slots=True)
class _Hour:
    """The fields of one hour of a version, with what the comparison found."""

    info: VersionInfo
    hour: datetime
    fields: Mapping[str, FieldSketch]
    findings: Mapping[str, DriftFinding | None]


def compare_all() -> ComparedVersions:
    """Freeze the references that are due, and compare the hours that have ended; log a version that fails."""
    now, versions, hours, alarms = hour_of(database_clock.read_now()), 0, 0, 0
    for info in all_watched():
        try:
            freeze_when_due(info, now)
            compared = compare_version(info, now)
        except (DjangoDatabaseError, UnavailableError, ValueError):
            log.exception("the drift of %s was not compared", info)
            continue
        versions, hours, alarms = versions + 1, hours + compared.hours, alarms + compared.alarms
    return ComparedVersions(versions, hours, alarms)


def compare_version(info: VersionInfo, now: datetime) -> ComparedVersions:
    """Compare a version's hours before `now`, oldest first: the last ones, and those not compared yet."""
    frozen = FrozenReference.objects.filter(version_id=info.id).first()
    if frozen is None:
        return ComparedVersions(1, 0, 0)
    since = max(frozen.compared_from, now - BACK_HOURS * HOUR)
    done = set(
        DriftHour.objects.filter(version_id=info.id, hour__gte=since, hour__lt=now - LATE_HOURS * HOUR)
        .values_list("hour", flat=True).distinct()
    )  # fmt: skip
    due = [row.hour for row in sampled_hours(info.id, since=since, until=now) if row.hour not in done]
    reference = reference_of(info.id) if due else {}
    alarms = sum(_compare_hour(info, hour, reference) for hour in due)
    return ComparedVersions(1, len(due), alarms)


@transaction.atomic
def _compare_hour(info: VersionInfo, hour: datetime, reference: Mapping[str, FieldSketch]) -> bool:
    """Store how far each field of the hour is from the reference; return whether a new alarm was raised."""
    sketches = read_sketches(info.id, since=hour, until=hour + HOUR).get(hour, {})
    fields, whole = with_missing(sketches, reference)
    findings = {
        field: sketch.compared_with(whole[field]) if field in whole else None
        for field, sketch in fields.items()
    }
    compared = _Hour(info, hour, fields, findings)
    _store(compared)
    began = _began(compared)
    return bool(began) and _raise_alarm(compared, began)


def _store(compared: _Hour) -> None:
    rows = [
        DriftHour(
            version_id=compared.info.id, hour=compared.hour, field=field, n=sketch.n, missing=sketch.missing,
            exceeds=bool(finding and finding.alarms),
            **({name: getattr(finding, name) for name in FIGURES} if finding else {}),
        )
        for field, sketch in compared.fields.items()
        for finding in [compared.findings[field]]
    ]  # fmt: skip
    DriftHour.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["version", "hour", "field"],
        update_fields=["n", "missing", *FIGURES, "exceeds"],
    )


def _began(compared: _Hour) -> dict[str, dict[str, Any]]:
    """Return the fields that drift with this hour and did not with the hour before, with their figures."""
    earlier = {
        (row.hour, row.field): DriftFinding(row.psi, row.distance, row.bound)
        for row in DriftHour.objects.filter(
            version_id=compared.info.id, hour__gte=compared.hour - 2 * HOUR, hour__lt=compared.hour
        )
        if row.psi is not None and row.distance is not None and row.bound is not None
    }
    began = dict[str, dict[str, Any]]()
    for field, finding in compared.findings.items():
        two, one = (earlier.get((compared.hour - back * HOUR, field)) for back in (2, 1))
        if finding is not None and is_drift([one, finding]) and not is_drift([two, one]):
            figures = {name: round(getattr(finding, name), 4) for name in FIGURES}
            began[field] = {**figures, "n": compared.fields[field].n}
    return began


def _raise_alarm(compared: _Hour, began: dict[str, dict[str, Any]]) -> bool:
    """Raise an alarm, or add to that of the hour what is found late; return whether there was none.

    The cache is purged in the same transaction, and what is added is noted and sent as an alarm is.
    """
    alarm, is_new = DriftAlarm.objects.select_for_update().get_or_create(
        version_id=compared.info.id, hour=compared.hour, defaults={"fields": began}
    )
    added = began if is_new else {field: began[field] for field in began if field not in alarm.fields}
    if added:
        alarm.fields = {**alarm.fields, **added}
        _send(compared, alarm, added)
    metrics.DRIFT_ALARMS.inc(int(is_new))
    return is_new


def _send(compared: _Hour, alarm: DriftAlarm, added: Mapping[str, dict[str, Any]]) -> None:
    """Purge, let the webhook be sent, and note the fields."""
    info, monitor = compared.info, compared.info.platform_options.monitor
    if monitor.purge_cache:
        reason = f"{', '.join(sorted(added))} of {info} drifts"
        alarm.generation = purge_cache(info.model_id, model=info.model, actor=PLATFORM, reason=reason)
    if monitor.webhook_url is not None:
        alarm.state, alarm.due, alarm.attempts = DeliveryState.WAITING, database_clock.read_now(), 0
    alarm.save(update_fields=["fields", "generation", "state", "due", "attempts"])
    shown = {"fields": added, "generation": alarm.generation} if alarm.generation else {"fields": added}
    note(
        AuditKind.DRIFT, actor=PLATFORM, act="alarm", model=info.model, version=info.version,
        hour=moment_words(compared.hour), **shown,
    )  # fmt: skip
    log.warning("%s drifts at %s: %s", info, moment_words(compared.hour), ", ".join(sorted(added)))
