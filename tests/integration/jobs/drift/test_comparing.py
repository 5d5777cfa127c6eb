"""The reference is frozen of the first jobs, and a shift alarms in its second hour, once."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from django.db import DatabaseError

from jobs.core.drift.drift_requests import DriftReferenceRequest
from jobs.core.drift.field_names import LABEL, SIZE, Value, missing_of
from jobs.core.errors import UnavailableError
from jobs.models import DriftAlarm, DriftHour, DriftReference, DriftSketch, Event, FrozenReference
from jobs.services.drift.comparing import compare_all, compare_version
from jobs.services.drift.reads import drift_of
from jobs.services.drift.reference import freeze_as_asked, freeze_when_due, reference_of
from jobs.services.drift.sketch_rows import read_sketches, sampled_hours
from models_registry.core.version import VersionInfo
from models_registry.models import Alias, ModelVersion
from tests.support.drift import HOUR, NUMBER, WORKER, jobs_like, sampled, this_hour, watched
from tests.support.factories import make_version


def with_reference(info: VersionInfo) -> None:
    for worker in range(2):
        sampled(info.id, this_hour(), jobs_like(2_600, seed=worker))
    assert freeze_when_due(info, this_hour() + HOUR)


def hours_later(number: int) -> Any:
    return this_hour() + number * HOUR


def test_a_worker_s_hour_is_one_row_a_field_however_often_it_is_written(echo: VersionInfo) -> None:
    sampled(echo.id, this_hour(), jobs_like(50), worker=WORKER)
    sampled(echo.id, this_hour(), jobs_like(80), worker=WORKER)
    sampled(echo.id, this_hour(), jobs_like(80), worker=WORKER)
    assert sorted(DriftSketch.objects.values_list("field", "n")) == [(NUMBER, 80), (SIZE, 80), (LABEL, 80)]


def test_the_rows_of_several_workers_are_merged_on_reading(echo: VersionInfo) -> None:
    sampled(echo.id, this_hour(), jobs_like(300, label="cat"))
    sampled(echo.id, this_hour(), [*jobs_like(300, label="dog"), {NUMBER: None}])
    fields = read_sketches(echo.id, since=this_hour(), until=hours_later(1))[this_hour()]
    assert {name: (one.n, one.missing) for name, one in fields.items()} == {
        SIZE: (600, 0),
        NUMBER: (600, 1),
        LABEL: (600, 0),
    }
    assert fields[LABEL].labels() == {"cat": 300, "dog": 300}


def test_a_version_that_is_gone_keeps_no_other_s_samples_away(
    echo: VersionInfo, session: sa.Connection
) -> None:
    sampled(echo.id + 1_000, this_hour(), jobs_like(5))
    assert not DriftSketch.objects.exists()


def test_a_sketch_that_cannot_be_read_is_left_out(echo: VersionInfo) -> None:
    sampled(echo.id, this_hour(), jobs_like(300))
    sampled(echo.id, this_hour(), jobs_like(300), worker=WORKER)
    DriftSketch.objects.filter(worker=WORKER).update(body=b"nonsense")
    fields = read_sketches(echo.id, since=this_hour(), until=hours_later(1))[this_hour()]
    assert {one.n for one in fields.values()} == {300}


def test_the_reference_is_of_the_first_whole_hours_that_hold_5000_jobs(echo: VersionInfo) -> None:
    sampled(echo.id, this_hour() - HOUR, jobs_like(9_000, shift=5.0))  # before the promotion
    sampled(echo.id, this_hour(), jobs_like(4_900))
    assert not freeze_when_due(echo, hours_later(1))
    sampled(echo.id, hours_later(1), jobs_like(400))
    sampled(echo.id, hours_later(2), jobs_like(9_000, shift=5.0))
    assert not freeze_when_due(echo, hours_later(1))  # the second hour has not ended
    assert freeze_when_due(echo, hours_later(3))
    frozen = FrozenReference.objects.get()
    assert (frozen.jobs, frozen.compared_from, frozen.actor) == (5_300, hours_later(2), "platform")
    assert frozen.origin.startswith("the first jobs after its promotion at ")
    assert {row.field: row.n for row in DriftReference.objects.all()} == dict.fromkeys(
        (SIZE, NUMBER, LABEL), 5_300
    )
    assert not freeze_when_due(echo, hours_later(3))
    assert [event.detail["act"] for event in Event.objects.filter(kind="drift")] == ["freeze"]


def test_without_a_promotion_nothing_is_frozen(db: str) -> None:
    info = watched()
    other = make_version("other", options={"monitor": {"enabled": True}})
    sampled(other.pk, this_hour(), jobs_like(6_000))
    assert info.platform_options.monitor.on
    assert compare_all().versions == 2
    assert not FrozenReference.objects.exists()


def test_a_shift_alarms_in_its_second_hour_and_not_again_while_it_lasts(echo: VersionInfo) -> None:
    with_reference(echo)
    sampled(echo.id, hours_later(1), jobs_like(500, seed=3))
    for hour in (2, 3, 4):
        sampled(echo.id, hours_later(hour), jobs_like(500, shift=1.0, seed=hour))
    assert compare_version(echo, hours_later(3)).alarms == 0
    assert compare_version(echo, hours_later(4)).alarms == 1
    assert compare_version(echo, hours_later(5)).alarms == 0
    alarm = DriftAlarm.objects.get()
    assert (alarm.hour, [*alarm.fields], alarm.state, alarm.generation) == (
        hours_later(3),
        [NUMBER],
        "",
        None,
    )
    assert alarm.fields[NUMBER]["n"] == 500
    assert alarm.fields[NUMBER]["distance"] > alarm.fields[NUMBER]["bound"]
    event = Event.objects.filter(kind="drift", detail__act="alarm").get()
    assert (event.actor, event.detail["version"], [*event.detail["fields"]]) == ("platform", "1", [NUMBER])


def test_comparing_again_changes_nothing(echo: VersionInfo) -> None:
    with_reference(echo)
    for hour in (1, 2):
        sampled(echo.id, hours_later(hour), jobs_like(500, label="cat", seed=hour))
    first = compare_version(echo, hours_later(3))
    rows = list(DriftHour.objects.order_by("hour", "field").values())
    again = compare_version(echo, hours_later(3))
    assert (first.alarms, again.alarms, first.hours, again.hours) == (1, 0, 2, 2)
    assert list(DriftHour.objects.order_by("hour", "field").values()) == rows
    assert DriftAlarm.objects.count() == Event.objects.filter(detail__act="alarm").count() == 1


def test_a_worker_that_writes_late_is_counted(echo: VersionInfo) -> None:
    with_reference(echo)
    for hour in (1, 2):
        sampled(echo.id, hours_later(hour), jobs_like(8, shift=2.0, seed=hour))
    assert compare_version(echo, hours_later(3)).alarms == 0
    for hour in (1, 2):
        sampled(echo.id, hours_later(hour), jobs_like(500, shift=2.0, seed=hour))
    assert compare_version(echo, hours_later(4)).alarms == 1
    assert {row.n for row in DriftHour.objects.all()} == {508}


def test_an_hour_without_jobs_between_two_is_no_alarm(echo: VersionInfo) -> None:
    with_reference(echo)
    for hour in (1, 3):
        sampled(echo.id, hours_later(hour), jobs_like(500, shift=2.0))
    assert compare_version(echo, hours_later(5)).alarms == 0


def test_eight_jobs_an_hour_alarm_nobody(echo: VersionInfo) -> None:
    with_reference(echo)
    for hour in range(1, 20):
        sampled(echo.id, hours_later(hour), jobs_like(8, seed=hour))
    compare_version(echo, hours_later(21))
    assert DriftHour.objects.filter(psi__gt=0.2).exists()
    assert not DriftHour.objects.filter(exceeds=True).exists()


def test_the_view_says_how_far_the_reference_is_and_what_drifts(echo: VersionInfo) -> None:
    (drift,) = drift_of("echo")
    assert drift.sentence.startswith("No reference yet: it is frozen of the first jobs")
    sampled(echo.id, this_hour(), jobs_like(40))
    (drift,) = drift_of("echo")
    assert drift.sentence == "No reference yet: 40 of 5,000 jobs were sampled since its promotion."
    assert (drift.reference, drift.jobs, drift.fields) == (None, 40, [])


def test_what_drifts_now_is_named(echo: VersionInfo) -> None:
    sampled(echo.id, this_hour() - 4 * HOUR, jobs_like(5_000))
    asked = DriftReferenceRequest(version="1", since=this_hour() - 4 * HOUR, until=this_hour() - 3 * HOUR)
    freeze_as_asked("echo", asked, actor="olga")
    for hour in (2, 1):
        sampled(echo.id, this_hour() - hour * HOUR, jobs_like(500, label="cat", seed=hour))
    assert compare_all().alarms == 1
    (drift,) = drift_of("echo")
    assert (drift.sentence, drift.drifting) == (f"It drifts: {LABEL}.", [LABEL])
    by_name = {field.field: field for field in drift.fields}
    assert by_name[LABEL].last == {"n": 500, "missing": 0, "labels": {"cat": 500}}
    assert [hour.exceeds for hour in by_name[LABEL].hours] == [True, True]
    reference = by_name[NUMBER].reference
    assert reference is not None
    assert -0.1 < reference["quantiles"]["0.5"] < 0.1
    assert reference_of(echo.id)[LABEL].n == 5_000


@pytest.mark.parametrize("error", [UnavailableError("its sketches cannot be read"), DatabaseError("gone")])
def test_a_version_that_cannot_be_compared_keeps_no_later_one_from_it(
    echo: VersionInfo, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    later = watched("later")
    sampled(later.id, this_hour() - 3 * HOUR, jobs_like(200))
    asked = DriftReferenceRequest(version="1", since=this_hour() - 3 * HOUR, until=this_hour() - 2 * HOUR)
    freeze_as_asked("later", asked, actor="olga")
    for hour in (2, 1):
        sampled(later.id, this_hour() - hour * HOUR, jobs_like(500, label="cat", seed=hour))

    def read(version: int, **period: Any) -> Any:
        if version == echo.id:
            raise error
        return sampled_hours(version, **period)

    monkeypatch.setattr("jobs.services.drift.reference.sampled_hours", read)
    assert compare_all() == (1, 2, 1)
    assert DriftAlarm.objects.get().version_id == later.id


def test_a_version_that_is_deleted_takes_its_rows_with_it(echo: VersionInfo) -> None:
    with_reference(echo)
    other = make_version("echo", "2")
    Alias.objects.update(version=other)
    ModelVersion.objects.get(pk=echo.id).delete()
    assert not DriftSketch.objects.exists()
    assert not DriftReference.objects.exists()


def without(share: float, field: str, *, seed: int, otherwise: str = "") -> list[dict[str, Value]]:
    """Return 500 jobs of which a share has no value of a field, or one of another type."""
    jobs = jobs_like(500, seed=seed)
    for job in jobs[: round(share * 500)]:
        value = job.pop(field)
        job[otherwise or field] = value if otherwise else None
    return jobs


@pytest.mark.parametrize("field", [NUMBER, LABEL])
@pytest.mark.parametrize("share", [0.5, 1.0])
def test_values_that_go_missing_alarm_though_those_left_look_as_before(
    echo: VersionInfo, field: str, share: float
) -> None:
    with_reference(echo)
    sampled(echo.id, hours_later(1), without(0.0, field, seed=3))
    for hour in (2, 3, 4):
        sampled(echo.id, hours_later(hour), without(share, field, seed=hour))
    assert compare_version(echo, hours_later(5)).alarms == 1
    alarm = DriftAlarm.objects.get()
    assert (alarm.hour, [*alarm.fields]) == (hours_later(3), [missing_of(field)])
    assert alarm.fields[missing_of(field)]["n"] == 500
    assert alarm.fields[missing_of(field)]["distance"] == pytest.approx(share, abs=0.001)


@pytest.mark.parametrize(("was", "is_now"), [("", ":length"), (":length", ""), (":norm", ":length")])
def test_a_value_of_another_type_is_missing_in_the_field_that_was_watched(
    echo: VersionInfo, was: str, is_now: str
) -> None:
    def hour(number: int, suffix: str) -> None:
        jobs = jobs_like(5_000 if number == 0 else 500, seed=number)
        sampled(
            echo.id,
            hours_later(number),
            [{SIZE: job[SIZE], f"{NUMBER}{suffix}": job[NUMBER]} for job in jobs],
        )

    hour(0, was)
    assert freeze_when_due(echo, hours_later(1))
    hour(1, was)
    hour(2, is_now)
    hour(3, is_now)
    assert compare_version(echo, hours_later(4)).alarms == 1
    assert [*DriftAlarm.objects.get().fields] == [missing_of(f"{NUMBER}{was}")]


def test_a_share_of_missing_values_that_stays_or_comes_and_goes_as_in_the_reference_alarms_not(
    echo: VersionInfo,
) -> None:
    for hour in range(12):
        sampled(echo.id, hours_later(hour), without(0.3 * (hour % 2), NUMBER, seed=hour))
    assert freeze_when_due(echo, hours_later(12))
    own = reference_of(echo.id)[missing_of(NUMBER)]
    assert own.labels() == {"there": 4_250, "missing": 750}
    assert own.own_distance == pytest.approx(0.15, abs=0.03)
    for hour in range(12, 18):
        sampled(echo.id, hours_later(hour), without(0.3 * (hour % 2), NUMBER, seed=hour))
    assert compare_version(echo, hours_later(18)).alarms == 0
    assert DriftHour.objects.filter(field=missing_of(NUMBER), distance__gt=0.1).exists()


def test_nothing_missing_adds_no_field(echo: VersionInfo) -> None:
    with_reference(echo)
    sampled(echo.id, hours_later(1), jobs_like(500))
    compare_version(echo, hours_later(2))
    names = {SIZE, NUMBER, LABEL}
    assert set(DriftHour.objects.values_list("field", flat=True)) == set(reference_of(echo.id)) == names


def test_what_goes_missing_is_shown_with_its_counts(echo: VersionInfo) -> None:
    sampled(echo.id, this_hour() - 4 * HOUR, jobs_like(5_000))
    asked = DriftReferenceRequest(version="1", since=this_hour() - 4 * HOUR, until=this_hour() - 3 * HOUR)
    freeze_as_asked("echo", asked, actor="olga")
    for hour in (2, 1):
        sampled(echo.id, this_hour() - hour * HOUR, without(0.4, NUMBER, seed=hour))
    assert compare_all().alarms == 1
    (drift,) = drift_of("echo")
    assert drift.sentence == f"It drifts: {missing_of(NUMBER)}."
    (shown,) = (field for field in drift.fields if field.field == missing_of(NUMBER))
    assert shown.last == {"n": 500, "missing": 0, "labels": {"there": 300, "missing": 200}}
    assert shown.reference == {"n": 5_000, "missing": 0, "labels": {"there": 5_000}}
