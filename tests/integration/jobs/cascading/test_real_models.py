"""Cascades on real work: handwritten digits, and the languages of sentences."""

from __future__ import annotations

import json
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from jobs.core.cascades.cascade_report import CascadeReport
from jobs.core.cascades.report_request import CascadeAsk
from jobs.core.failures import Success
from jobs.models import Batch
from jobs.services.access.tokens import create_token
from jobs.services.rollouts.cascades.right_labels import RIGHT_LABEL
from jobs.services.rollouts.cascades.rule_report import rule_report
from models_registry import selectors
from models_registry.models import Rule
from models_registry.services.rules import put_rule
from tests.support import cascade_digits, cascade_languages
from tests.support.ab_tests import say
from tests.support.cascade_runs import run_all, submitted
from tests.support.cascades import answer as made_answer
from tests.support.cascades import light_and_heavy, put_cascade, ran, submit
from tests.support.factories import make_version

LABELLED = "/api/v1/models/light/rules/1/cascade"


def in_cascade(model: str, pairs: list[tuple[Any, Any]], models: Mapping[str, Any]) -> dict[UUID, str]:
    """Run inputs through `model:light` and `model:heavy` at 0.7; return the right label of each job."""
    selectors.forget()
    make_version(model, "light")
    make_version(model, "heavy")
    cascade = {
        "first": f"{model}:light",
        "then": f"{model}:heavy",
        "escalate": {"pointer": "/confidence", "below": 0.7},
    }
    put_rule(model=model, alias="default", document={"stable": "light", "cascade": cascade}, actor="olga")
    selectors.forget()
    inputs = [value for value, _ in pairs]
    jobs = submitted(model, inputs)
    run_all(models, dict(zip(jobs, inputs, strict=True)))
    return {job: str(right) for job, (_, right) in zip(jobs, pairs, strict=True)}


def reported(model: str, labels: Mapping[UUID, str], at: str) -> CascadeReport:
    asked = CascadeAsk(labels={str(job): label for job, label in labels.items()}, at=at)
    return rule_report(model=model, number=1, asked=asked).report


def test_digits_reach_nearly_the_heavy_model_at_a_seventh_of_its_work(db: str) -> None:
    assert db
    pairs = cascade_digits.tried_on()
    light, heavy = cascade_digits.light({}, "cpu"), cascade_digits.heavy({}, "cpu")
    labels = in_cascade("digits", pairs, {"digits:light": light, "digits:heavy": heavy})
    Batch.objects.filter(version__version="light").update(ran_s=0.001)
    Batch.objects.filter(version__version="heavy").update(ran_s=0.1)
    seen = reported("digits", labels, "/digit")
    assert (seen.jobs, seen.labelled, seen.degraded) == (899, 899, 0)
    assert seen.escalated_share == pytest.approx(0.1379, abs=0.01)
    assert seen.first_accuracy == pytest.approx(0.9611, abs=0.005)
    assert seen.last_accuracy == pytest.approx(0.9844, abs=0.005)
    now = next(point for point in seen.curve if point.below == 0.7)
    assert now.accuracy_low == now.accuracy_high == pytest.approx(seen.last_accuracy)
    assert now.device_s_per_job == pytest.approx(seen.device_s_per_job)
    lower = [point for point in seen.curve if point.below < 0.7]
    assert all(point.accuracy_low == point.accuracy_high for point in lower), "known for every job"
    higher = [point for point in seen.curve if point.below > 0.7]
    assert all(point.accuracy_low < point.accuracy_high for point in higher[1:])  # type: ignore[operator]  # labelled
    shares = [point.escalated_share for point in seen.curve]
    assert shares == sorted(shares)


def test_languages_of_sentences_are_told_by_a_light_and_a_heavy_identifier(db: str) -> None:
    assert db
    pairs = cascade_languages.sentences(20)
    light, heavy = cascade_languages.light({}, "cpu"), cascade_languages.heavy({}, "cpu")
    labels = in_cascade("languages", pairs, {"languages:light": light, "languages:heavy": heavy})
    seen = reported("languages", labels, "/language")
    assert seen.jobs == len(pairs) == 240
    assert seen.escalated_share is not None
    assert 0.1 < seen.escalated_share < 0.35
    assert seen.last_accuracy is not None
    assert seen.first_accuracy is not None
    assert seen.last_accuracy >= seen.first_accuracy
    assert seen.last_accuracy > 0.85


@pytest.fixture
def answered(db: str) -> Rule:
    assert db
    light_and_heavy()
    rule = put_cascade()
    for confidence in (0.9, 0.3, 0.8):
        job = submit(str(confidence))
        if ran(job, made_answer(confidence)).state == "queued":
            ran(job, made_answer(None))
    return rule


def app(*scopes: str) -> Client:
    token = create_token(client="operators", scopes=list(scopes))
    return Client(headers={"Authorization": f"Bearer {token}"})


def test_the_report_is_read_as_json_a_page_and_a_picture(answered: Rule) -> None:
    operators = app("roll_out")
    shown = operators.get(LABELLED).json()
    assert (shown["rule"], shown["report"]["jobs"], shown["report"]["escalated"]) == (answered.number, 3, 1)
    assert [step["version"] for step in shown["plan"]] == ["light:1", "heavy:1"]
    page = operators.get(LABELLED, headers={"accept": "text/html"})
    assert page["Content-Type"].startswith("text/html")
    assert "1 of 3 jobs (33.3 %) went on" in page.content.decode()
    assert "data:image/png;base64," in page.content.decode()
    picture = operators.get(LABELLED, headers={"accept": "image/png"})
    assert picture.content.startswith(b"\x89PNG")


def test_right_labels_give_accuracies(answered: Rule) -> None:
    assert answered
    labels = {str(job): "1" for job in Batch.objects.values_list("members", flat=True)[0]}
    rated = app("roll_out").post(LABELLED, json.dumps({"labels": labels}), "application/json").json()
    assert (rated["report"]["labelled"], rated["report"]["last_accuracy"]) == (1, 1.0)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"labels": {"x": "1"}}, "by the ids of jobs"),
        ({"labels": {}}, "labels"),
        ({"most": 0}, "most"),
        ({"at": "label"}, "at"),
        ({"label": {}}, "label"),
    ],
)
def test_a_wrong_request_is_refused(answered: Rule, body: Any, words: str) -> None:
    assert answered
    refused = app("roll_out").post(LABELLED, json.dumps(body), "application/json")
    assert refused.status_code == 400
    assert words in refused.json()["detail"]


def test_the_report_needs_its_scope_and_a_rule_with_a_cascade(answered: Rule) -> None:
    assert answered
    assert app("read").get(LABELLED).status_code == 403
    operators = app("roll_out")
    assert operators.get("/api/v1/models/light/rules/2/cascade").status_code == 404
    assert operators.get(f"{LABELLED}?alias=other").status_code == 404
    put_rule(model="light", alias="default", document={"stable": "1"}, actor="olga")
    assert operators.get("/api/v1/models/light/rules/2/cascade").json()["code"] == "not_found"


def test_the_command_prints_and_draws_the_report(answered: Rule, tmp_path: Path) -> None:
    assert answered
    out, picture, page = StringIO(), tmp_path / "curve.png", tmp_path / "page.html"
    call_command("rules", "cascade", "light", picture=str(picture), page=str(page), stdout=out)
    assert "1 of 3 jobs (33.3 %) went on" in out.getvalue()
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "Cascade of light@default" in page.read_text()
    with pytest.raises(CommandError, match=r"\.png or \.svg"):
        call_command("rules", "cascade", "light", picture=str(tmp_path / "curve.gif"))
    with pytest.raises(CommandError, match="No rule of this alias"):
        call_command("rules", "cascade", "heavy")


@pytest.mark.parametrize(
    ("at", "right", "wrong"),
    [("/name", "seven", "one"), ("/digit", 7, 1), ("/spam", 1, 0), ("/large", 1e20, 1)],
)
def test_a_report_without_labels_takes_those_of_feedback(
    db: str, at: str, right: float | str, wrong: float | str
) -> None:
    assert db
    light_and_heavy()
    put_cascade()
    jobs = [submit(str(number)) for number in range(3)]
    body = json.dumps({"confidence": 0.9, "name": "seven", "digit": 7, "spam": True, "large": 1e20}).encode()
    for job in jobs:
        ran(job, Success(body))
    say(jobs[:2], [right, wrong], name=RIGHT_LABEL)
    say(jobs[2:], [right], name="another")
    seen = rule_report(model="light", number=1, asked=CascadeAsk(at=at)).report
    assert (seen.labelled, seen.last_accuracy) == (2, 0.5)


@pytest.mark.parametrize("right", ["true", "True", "1", "1.0"])
def test_a_boolean_s_right_label_may_be_written_in_several_ways(db: str, right: str) -> None:
    assert db
    light_and_heavy()
    put_cascade()
    jobs = [submit(str(number)) for number in range(2)]
    for job, spam in zip(jobs, (True, False), strict=True):
        ran(job, Success(json.dumps({"confidence": 0.9, "spam": spam}).encode()))
    labels = {str(job): right for job in jobs}
    seen = rule_report(model="light", number=1, asked=CascadeAsk(labels=labels, at="/spam")).report
    assert (seen.labelled, seen.last_accuracy) == (2, 0.5)


@pytest.mark.parametrize(
    ("options", "query", "accuracy"),
    [
        ({}, "", 1.0),  # of /label
        ({}, "?at=/digit", 0.5),
        ({"agreement": {"by": "label", "at": "/digit"}}, "", 0.5),
        ({"agreement": {"by": "label", "at": "/digit"}}, "?at=/label", 1.0),
        ({"agreement": {"by": "exact", "at": "/digit"}}, "", 1.0),
    ],
)
def test_labels_are_where_the_call_or_the_option_agreement_says(
    db: str, options: dict[str, Any], query: str, accuracy: float
) -> None:
    assert db
    light_and_heavy(**options)
    put_cascade()
    jobs = [submit(str(number)) for number in range(2)]
    for job, digit in zip(jobs, (7, 1), strict=True):
        ran(job, Success(json.dumps({"confidence": 0.9, "label": 7, "digit": digit}).encode()))
    say(jobs, [7, 7], name=RIGHT_LABEL)
    report = app("roll_out").get(f"{LABELLED}{query}").json()["report"]
    assert (report["labelled"], report["last_accuracy"]) == (2, accuracy)


def test_a_place_that_is_no_pointer_is_refused(answered: Rule) -> None:
    assert answered
    assert app("roll_out").get(f"{LABELLED}?at=digit").status_code == 400
