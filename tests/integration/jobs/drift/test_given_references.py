"""A reference that a person gives, and what is refused."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from jobs.core.drift.drift_requests import DriftReferenceRequest
from jobs.core.drift.field_names import SIZE
from jobs.core.errors import MalformedRequestError, WrongStateError
from jobs.models import DriftHour, DriftReference, Event, FrozenReference
from jobs.services.drift.comparing import compare_version
from jobs.services.drift.reference import freeze_as_asked, freeze_when_due, reference_of
from jobs.services.drift.sketch_rows import read_sketches
from models_registry.core.registry_errors import ModelNotFoundError
from models_registry.core.version import VersionInfo
from tests.support.drift import HOUR, MONITOR, NUMBER, info_of, jobs_like, sampled, this_hour
from tests.support.factories import make_version


def freeze(version: str = "1", **asked: Any) -> VersionInfo:
    return freeze_as_asked("echo", DriftReferenceRequest(version=version, **asked), actor="olga")


def last_hours(number: int) -> dict[str, Any]:
    return {"since": this_hour() - number * HOUR, "until": this_hour()}


def test_a_period_of_its_own_jobs_is_the_reference(echo: VersionInfo) -> None:
    for hour in (1, 2, 3):
        sampled(echo.id, this_hour() - hour * HOUR, jobs_like(100, seed=hour))
    freeze(**last_hours(2), reason="a quiet day")
    frozen = FrozenReference.objects.get()
    assert (frozen.jobs, frozen.actor, frozen.compared_from) == (200, "olga", this_hour())
    event = Event.objects.get(kind="drift")
    assert (event.detail["reason"], event.detail["jobs"]) == ("a quiet day", 200)


def test_the_reference_of_another_version_is_copied_with_how_far_its_hours_were(echo: VersionInfo) -> None:
    for hour, shift in ((1, 0.0), (2, 1.0)):
        sampled(echo.id, this_hour() - hour * HOUR, jobs_like(300, seed=hour, shift=shift))
    freeze(**last_hours(2))
    other = info_of(make_version("echo", "2", options={"monitor": MONITOR}))
    freeze("2", like="echo:1")
    copied, own = reference_of(other.id), reference_of(echo.id)
    assert {name: one.n for name, one in copied.items()} == {name: one.n for name, one in own.items()}
    assert copied[NUMBER].own_distance == own[NUMBER].own_distance > 0.15
    assert own[SIZE].own_distance < 0.1
    assert FrozenReference.objects.get(version_id=other.id).origin == "the reference of echo:1"


def test_hours_as_far_away_as_the_reference_s_own_alarm_nobody(echo: VersionInfo) -> None:
    for hour in range(1, 11):
        sampled(echo.id, this_hour() - hour * HOUR, jobs_like(500, seed=hour, shift=float(hour % 2)))
    freeze(**last_hours(10))
    for hour in range(1, 5):
        sampled(echo.id, this_hour() + hour * HOUR, jobs_like(500, seed=40 + hour, shift=float(hour > 2)))
    assert compare_version(echo, this_hour() + 6 * HOUR).alarms == 0
    far = DriftHour.objects.filter(field=NUMBER)
    assert all(row.distance is not None and row.distance > 0.15 for row in far)


def test_another_reference_drops_what_was_compared_with_the_one_before(echo: VersionInfo) -> None:
    for hour in (1, 2, 3):
        sampled(echo.id, this_hour() - hour * HOUR, jobs_like(200, seed=hour))
    freeze(since=this_hour() - 3 * HOUR, until=this_hour() - 2 * HOUR)
    compare_version(echo, this_hour())
    assert DriftHour.objects.exists()
    freeze(**last_hours(1))
    assert not DriftHour.objects.exists()


REFUSED: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({}, MalformedRequestError, "give `since` and `until`, or `like`"),
    ({"since": -2}, MalformedRequestError, "give `since` and `until`"),
    ({"since": -2, "until": -1, "like": "2"}, MalformedRequestError, "not both"),
    ({"since": -1, "until": -2}, MalformedRequestError, "`since` is before `until`"),
    ({"since": -1, "until": -1}, MalformedRequestError, "`since` is before `until`"),
    ({"since": -1, "until": 1}, MalformedRequestError, "`until` has passed"),
    ({"since": -50, "until": -40}, WrongStateError, "0 jobs of echo:1 were sampled in this period"),
    ({"since": -1, "until": 0}, WrongStateError, "99 jobs of echo:1"),
    ({"like": "1"}, WrongStateError, "has no reference that could be copied"),
    ({"like": "9"}, ModelNotFoundError, "There is no model 'echo:9'"),
    ({"like": "nothing@default"}, ModelNotFoundError, "There is no model"),
    ({"version": "9", "like": "1"}, ModelNotFoundError, "There is no model"),
    ({"version": "other:1", "like": "1"}, ModelNotFoundError, "is no version of the model echo"),
    ({"version": "2", "like": "1"}, WrongStateError, "echo:2 is not watched"),
]


@pytest.mark.parametrize(("asked", "kind", "words"), REFUSED)
def test_what_makes_no_reference_is_refused_and_changes_nothing(
    echo: VersionInfo, asked: dict[str, Any], kind: type[Exception], words: str
) -> None:
    make_version("other", "1", options={"monitor": MONITOR})
    make_version("echo", "2")
    sampled(echo.id, this_hour() - HOUR, jobs_like(99))
    times = {name: this_hour() + value * HOUR for name, value in asked.items() if isinstance(value, int)}
    with pytest.raises(kind, match=words.replace("(", r"\(")):
        freeze(**{"version": "1", **asked, **times})
    assert not FrozenReference.objects.exists()
    assert not Event.objects.filter(kind="drift").exists()


def test_times_are_rounded_down_to_hours(echo: VersionInfo) -> None:
    sampled(echo.id, this_hour() - HOUR, jobs_like(150))
    half = timedelta(minutes=30)
    freeze(since=this_hour() - half, until=this_hour() + timedelta(seconds=1))
    assert FrozenReference.objects.get().origin.endswith(":00:00 UTC")


def test_a_reference_that_a_person_gives_meanwhile_is_not_replaced_by_the_automatic_one(
    echo: VersionInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampled(echo.id, this_hour(), jobs_like(5_000))
    sampled(echo.id, this_hour() - HOUR, jobs_like(200))

    def slowly(*args: Any, **period: Any) -> Any:
        monkeypatch.undo()
        freeze(**last_hours(1))
        return read_sketches(*args, **period)

    monkeypatch.setattr("jobs.services.drift.reference.read_sketches", slowly)
    assert not freeze_when_due(echo, this_hour() + HOUR)
    frozen = FrozenReference.objects.get()
    assert (frozen.actor, frozen.jobs) == ("olga", 200)
    assert {row.n for row in DriftReference.objects.all()} == {200}
    assert [event.actor for event in Event.objects.filter(kind="drift")] == ["olga"]
