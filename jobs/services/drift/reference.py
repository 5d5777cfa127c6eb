"""The reference of a version: frozen of the first jobs after its promotion, or given by a person."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import accumulate, takewhile
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Min

from jobs.core.access.audit_kinds import AuditKind
from jobs.core.drift.drift_requests import DriftReferenceRequest
from jobs.core.drift.field_names import SIZE
from jobs.core.errors import MalformedRequestError, WrongStateError
from jobs.db import database_clock
from jobs.models import DriftHour, DriftReference, FrozenReference
from jobs.services.access.audit import note
from jobs.services.drift.field_sketch import FieldSketch
from jobs.services.drift.sketch_rows import merged_hours, read_sketches, sampled_hours
from jobs.services.drift.watched_versions import any_version_named, version_named
from models_registry.core.version import VersionInfo
from models_registry.models import Promotion

REFERENCE_JOBS = 5_000
HOUR = timedelta(hours=1)
LEAST_JOBS = 100  # with fewer, chance alone explains almost any difference of an hour
PLATFORM = "platform"


class _Frozen(NamedTuple):
    """What is frozen: the words for where it is from, and the first hour that is compared with it.

    `replaces` is whether it takes the place of a reference that is there.
    """

    origin: str
    compared_from: datetime
    fields: Mapping[str, FieldSketch]
    replaces: bool = True


def hour_of(moment: datetime) -> datetime:
    """Return the beginning of the hour, in UTC."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def reference_of(version: int) -> dict[str, FieldSketch]:
    """Return a version's reference by field; empty where there is none yet."""
    fields = dict[str, FieldSketch]()
    for row in DriftReference.objects.filter(version_id=version).order_by("field"):
        fields[row.field] = FieldSketch(row.field)
        fields[row.field].merge(bytes(row.body), row.missing)
        fields[row.field].own_distance = row.own_distance
    return fields


def promoted_at(info: VersionInfo) -> datetime | None:
    """Return when an alias was first moved to the version; None where none was."""
    moves = Promotion.objects.filter(model=info.model, after=info.version)
    first: datetime | None = moves.aggregate(first=Min("at"))["first"]
    return first


def jobs_since_promotion(info: VersionInfo) -> int:
    """Return how many jobs of a version without a reference were sampled since its promotion."""
    began = promoted_at(info)
    if began is None:
        return 0
    now = database_clock.read_now()
    return sum(hour.jobs for hour in sampled_hours(info.id, since=hour_of(began), until=now))


def freeze_when_due(info: VersionInfo, now: datetime) -> bool:
    """Freeze the first hours since the promotion that hold 5,000 sampled jobs; return whether it did."""
    began = promoted_at(info)
    if began is None or FrozenReference.objects.filter(version_id=info.id).exists():
        return False
    hours = sampled_hours(info.id, since=hour_of(began), until=hour_of(now))
    sums = list(accumulate(hour.jobs for hour in hours))
    if not sums or sums[-1] < REFERENCE_JOBS:
        return False
    last = hours[sum(1 for _ in takewhile(lambda total: total < REFERENCE_JOBS, sums))].hour
    fields = merged_hours(read_sketches(info.id, since=hour_of(began), until=last + HOUR).values())
    words = f"the first jobs after its promotion at {moment_words(began)}"
    return _freeze(info, _Frozen(words, last + HOUR, fields, replaces=False), actor=PLATFORM)


def freeze_as_asked(
    model: str, asked: DriftReferenceRequest, *, actor: str, address: str | None = None
) -> VersionInfo:
    """Give a version another reference: a period of its own jobs, or that of another version.

    ModelNotFoundError; MalformedRequestError for a period without an end, or one that has not ended;
    WrongStateError where the version is not watched, there is nothing to take, or what there is to take is of
    confidential jobs and the version has none.
    """
    info = version_named(model, asked.version)
    if not info.platform_options.monitor.on:
        raise WrongStateError(f"{info} is not watched: register a version with the option `monitor`.")
    frozen = _like(info, asked) if asked.like is not None else _of_period(info, asked)
    detail = {"reason": asked.reason} if asked.reason else {}
    _freeze(info, frozen, actor=actor, **detail, **({"address": address} if address else {}))
    return info


def _like(info: VersionInfo, asked: DriftReferenceRequest) -> _Frozen:
    if asked.since is not None or asked.until is not None:
        raise MalformedRequestError("give `like`, or `since` and `until`, and not both")
    other = any_version_named(info.model, asked.like or "")
    if other.secrecy.guarded and not info.secrecy.guarded:
        raise WrongStateError(
            f"{other} has confidential jobs and {info} has none, so {info} would show what {other} keeps:"
            " freeze a period of its own jobs."
        )
    fields = reference_of(other.id)
    if not fields or other.id == info.id:
        raise WrongStateError(f"{other} has no reference that could be copied.")
    return _Frozen(f"the reference of {other}", hour_of(database_clock.read_now()), fields)


def _of_period(info: VersionInfo, asked: DriftReferenceRequest) -> _Frozen:
    now = database_clock.read_now()
    if asked.since is None or asked.until is None:
        raise MalformedRequestError("give `since` and `until`, or `like`")
    since, until = _asked_hour(asked.since), _asked_hour(asked.until)
    if not since < until <= now:
        raise MalformedRequestError(
            "`since` is before `until`, both are whole hours in UTC, and `until` has passed"
        )
    fields = merged_hours(read_sketches(info.id, since=since, until=until).values())
    jobs = fields[SIZE].n if SIZE in fields else 0
    if jobs < LEAST_JOBS:
        raise WrongStateError(
            f"{jobs} jobs of {info} were sampled in this period, and a reference needs {LEAST_JOBS}:"
            " name a longer one."
        )
    return _Frozen(f"its jobs of {moment_words(since)} to {moment_words(until)}", until, fields)


def _asked_hour(moment: datetime) -> datetime:
    """Return the beginning of the hour; MalformedRequestError before year 1 or after year 9999 in UTC."""
    try:
        return hour_of(moment)
    except OverflowError:
        raise MalformedRequestError(f"{moment.isoformat()} is not in the years 1 to 9999 of UTC") from None


def moment_words(at: datetime) -> str:
    """Return a time as all texts of the platform have it."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


@transaction.atomic
def _freeze(info: VersionInfo, frozen: _Frozen, *, actor: str, **detail: Any) -> bool:
    """Replace the reference; what was compared with an earlier one goes. Return whether that was done.

    One that does not replace leaves that which a person gave while the sketches were read.
    """
    jobs = frozen.fields[SIZE].n
    defaults = {
        "origin": frozen.origin, "jobs": jobs, "compared_from": frozen.compared_from,
        "actor": actor[:127], "frozen_at": database_clock.read_now(),
    }  # fmt: skip
    rows = FrozenReference.objects
    put = rows.update_or_create if frozen.replaces else rows.get_or_create
    _, is_new = put(version_id=info.id, defaults=defaults)
    if not (is_new or frozen.replaces):
        return False
    DriftReference.objects.filter(version_id=info.id).delete()
    DriftHour.objects.filter(version_id=info.id).delete()
    DriftReference.objects.bulk_create(
        DriftReference(
            version_id=info.id,
            field=field,
            n=sketch.n,
            missing=sketch.missing,
            body=sketch.body(),
            own_distance=sketch.own_distance,
        )
        for field, sketch in frozen.fields.items()
    )
    note(
        AuditKind.DRIFT, actor=actor, act="freeze", model=info.model, version=info.version,
        of=frozen.origin, jobs=jobs, **detail,
    )  # fmt: skip
    return True
