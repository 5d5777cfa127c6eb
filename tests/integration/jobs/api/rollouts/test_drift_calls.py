"""Drift over the API: what is shown, what a reference may be, and who may ask."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from jobs.models import Client as Tenant
from jobs.models import Event, FrozenReference
from jobs.services.access.owner import forget_owners
from models_registry.models import ModelVersion
from tests.integration.jobs.api.rollouts.asked import client_of, read, sent
from tests.support.drift import HOUR, MONITOR, NUMBER, jobs_like, make_drift, sampled, this_hour
from tests.support.factories import make_version

DRIFT = "/api/v1/models/echo/drift"
REFERENCE = f"{DRIFT}/reference"


@pytest.fixture
def drifting(operator: Client) -> FrozenReference:
    return make_drift()


def test_the_drift_of_a_model_is_shown_by_version_field_and_hour(
    operator: Client, drifting: FrozenReference
) -> None:
    status, answer = read(operator, DRIFT)
    assert (status, answer["model"]) == (200, "echo")
    (version,) = answer["versions"]
    assert (version["version"], version["drifting"]) == ("watched", ["output:label"])
    assert version["sentence"] == "It drifts: output:label."
    assert version["reference"]["jobs"] == version["jobs"] == 200
    fields = {field["field"]: field for field in version["fields"]}
    assert [hour["exceeds"] for hour in fields["output:label"]["hours"]] == [True, True]
    assert fields["output:label"]["last"]["labels"] == {"cat": 500}
    assert fields[NUMBER]["hours"][0]["missing"] == 1
    assert fields[NUMBER]["drifts"] is False
    (alarm,) = version["alarms"]
    assert (alarm["webhook"], alarm["attempts"], alarm["generation"]) == ("waiting", 2, 4)


def test_one_version_and_fewer_hours_can_be_asked_for(operator: Client, drifting: FrozenReference) -> None:
    _, answer = read(operator, f"{DRIFT}?version=watched&hours=1")
    (version,) = answer["versions"]
    assert {len(field["hours"]) for field in version["fields"]} == {1}


def test_more_than_two_days_are_shown_of_a_version_that_is_named(
    operator: Client, drifting: FrozenReference
) -> None:
    assert read(operator, f"{DRIFT}?hours=48")[0] == 200
    status, problem = read(operator, f"{DRIFT}?hours=49")
    assert (status, problem["code"]) == (400, "malformed")
    assert "name it" in problem["detail"]
    status, answer = read(operator, f"{DRIFT}?hours=720&version=watched")
    assert (status, len(answer["versions"])) == (200, 1)


def test_a_period_becomes_the_reference(operator: Client, drifting: FrozenReference) -> None:
    sampled(drifting.version_id, this_hour() - 3 * HOUR, jobs_like(150, seed=9))
    since, until = ((this_hour() - hours * HOUR).isoformat() for hours in (3, 2))
    body = {"version": "watched", "since": since, "until": until, "reason": "quiet"}
    status, answer = sent(operator, REFERENCE, body)
    assert (status, answer["versions"][0]["reference"]["jobs"]) == (200, 150)
    event = Event.objects.filter(kind="drift", detail__act="freeze").latest("id")
    assert (event.actor, event.detail["reason"]) == ("client:operators", "quiet")


WRONG: list[tuple[Any, int, str]] = [
    ({}, 400, "malformed"),
    ({"version": "watched"}, 400, "malformed"),
    ({"version": 7, "like": "1"}, 400, "malformed"),
    ({"version": "watched", "since": "yesterday", "until": "today"}, 400, "malformed"),
    (
        {"version": "watched", "since": "2026-01-01T00:00:00", "until": "2026-01-02T00:00:00Z"},
        400,
        "malformed",
    ),
    ({"version": "watched", "since": float("nan"), "until": 1}, 400, "malformed"),
    ({"version": "watched", "like": "1", "surprise": 1}, 400, "malformed"),
    ({"version": "watched", "like": "a\u0000"}, 400, "malformed"),
    (
        {"version": "watched", "since": "0001-01-01T00:00:00+14:00", "until": "2026-01-02T00:00:00Z"},
        400,
        "malformed",
    ),
    (
        {"version": "watched", "since": "2026-01-01T00:00:00Z", "until": "9999-12-31T23:59:59-14:00"},
        400,
        "malformed",
    ),
    ({"version": "9", "like": "1"}, 404, "model_not_found"),
    ({"version": "watched", "like": "nothing:1"}, 404, "model_not_found"),
    ({"version": "watched", "like": "1"}, 409, "wrong_state"),
    ({"version": "1", "like": "watched"}, 409, "wrong_state"),
    (
        {"version": "watched", "since": "2020-01-01T00:00:00Z", "until": "2020-01-02T00:00:00Z"},
        409,
        "wrong_state",
    ),
]


@pytest.mark.parametrize(("body", "status", "code"), WRONG)
def test_what_is_no_reference_is_refused_and_changes_nothing(
    operator: Client, drifting: FrozenReference, body: Any, status: int, code: str
) -> None:
    answered, problem = sent(operator, REFERENCE, body)
    assert (answered, problem["code"]) == (status, code), problem
    assert FrozenReference.objects.get().frozen_at == drifting.frozen_at


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/v1/models/nothing/drift", 404, "model_not_found"),
        (f"{DRIFT}?version=9", 404, "model_not_found"),
        (f"{DRIFT}?version=1", 409, "wrong_state"),
        (f"{DRIFT}?hours=0", 400, "malformed"),
        (f"{DRIFT}?hours=49", 400, "malformed"),
        (f"{DRIFT}?hours=721&version=1", 400, "malformed"),
        (f"{DRIFT}?hours=NaN", 400, "malformed"),
    ],
)
def test_what_there_is_not_says_so(operator: Client, path: str, status: int, code: str) -> None:
    answered, problem = read(operator, path)
    assert (answered, problem["code"]) == (status, code), problem


def test_a_model_that_nobody_watches_has_no_drift(operator: Client) -> None:
    assert read(operator, DRIFT) == (200, {"model": "echo", "versions": []})


def test_it_takes_the_scope_and_the_model(operator: Client, drifting: FrozenReference) -> None:
    reader = client_of("readers", "read", "submit")
    assert read(reader, DRIFT)[0] == 403
    assert sent(reader, REFERENCE, {"version": "watched", "like": "1"})[0] == 403
    narrow = client_of("narrow", "roll_out")
    make_version("other", "1")
    Tenant.objects.filter(name="narrow").update(models=["other"])
    forget_owners()
    assert read(narrow, DRIFT)[1]["code"] == "model_not_allowed"
    assert read(narrow, "/api/v1/models/other/drift")[0] == 200
    foreign = {"version": "1", "like": "echo:watched"}
    assert sent(narrow, "/api/v1/models/other/drift/reference", foreign)[1]["code"] == "model_not_allowed"


GUARDED = {"type": "object", "properties": {"name": {"type": "string", "x-pii": True}}}


def test_the_reference_of_confidential_jobs_is_copied_only_to_a_version_that_keeps_it(
    operator: Client,
) -> None:
    options = {"monitor": MONITOR}
    secret = make_version("hr", "1", options=options, input_schema=GUARDED)
    make_version("toy", "1", options=options)
    make_version("toy", "2", options=options, input_schema=GUARDED)
    sampled(secret.pk, this_hour() - 2 * HOUR, jobs_like(200))
    since, until = ((this_hour() - hours * HOUR).isoformat() for hours in (2, 1))
    own = {"version": "1", "since": since, "until": until}
    assert sent(operator, "/api/v1/models/hr/drift/reference", own)[0] == 200
    path = "/api/v1/models/toy/drift/reference"
    status, problem = sent(operator, path, {"version": "1", "like": "hr:1"})
    assert (status, problem["code"]) == (409, "wrong_state"), problem
    assert "freeze a period of its own jobs" in problem["detail"]
    assert set(FrozenReference.objects.values_list("version_id", flat=True)) == {secret.pk}
    status, answer = sent(operator, path, {"version": "2", "like": "hr:1"})
    assert (status, answer["versions"][0]["reference"]["jobs"]) == (200, 200)
    assert "cat" not in json.dumps(answer)
    again = sent(operator, path, {"version": "1", "like": "2"})
    assert again[1]["code"] == "wrong_state"


def test_of_a_version_with_personal_data_no_label_and_no_value_is_shown(
    operator: Client, drifting: FrozenReference
) -> None:
    ModelVersion.objects.filter(pk=drifting.version_id).update(input_schema=GUARDED)
    (version,) = read(operator, DRIFT)[1]["versions"]
    fields = {field["field"]: field for field in version["fields"]}
    label = fields["output:label"]
    assert label["last"]["labels"] == {"label 1": 500}
    assert sorted(label["reference"]["labels"]) == ["label 1", "label 2"]
    assert sum(label["reference"]["labels"].values()) == 200
    assert fields[NUMBER]["reference"] == {"n": 200, "missing": 0, "quantiles": None}
    assert version["drifting"] == ["output:label"]
    assert "cat" not in json.dumps(version)
