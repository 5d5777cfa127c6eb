"""Shadows over the API and the command: the report in each form, stop and start, and what is refused."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from django.core.management import CommandError, call_command
from django.test import Client

from jobs.models import Event, Shadow
from models_registry.models import ModelVersion, Rule
from tests.integration.jobs.api.conftest import SCHEMA
from tests.integration.jobs.api.rollouts.asked import client_of, read, sent
from tests.support.factories import make_version
from tests.support.shadows import keep
from tests.support.shown_rollouts import shadow_counts

RULES = "/api/v1/models/echo/rules"
SHADOW = f"{RULES}/1/shadow"
FULL = {"stable": "1", "shadow": {"version": "2"}}


@pytest.fixture
def shadowed(operator: Client, session: sa.Connection) -> Client:
    """Return an app that may roll out, beside a shadow that has shown something."""
    status, _ = sent(operator, RULES, {"document": FULL, "reason": "watch it"})
    assert status == 201
    keep(session)
    options = {"agreement": {"by": "label", "at": "/text"}}
    ModelVersion.objects.filter(model__name="echo", version="2").update(options=options)
    Shadow.objects.update(counts=shadow_counts(), run=4)
    return operator


def test_the_report_is_read_as_json_as_a_page_and_as_a_picture(shadowed: Client) -> None:
    status, seen = read(shadowed, SHADOW)
    assert (status, seen["state"], seen["version"], seen["stable"]) == (200, "running", "echo:2", "echo:1")
    assert (seen["share"], seen["batch_s"], seen["alias"]) == (1.0, 0.05, "default")
    assert seen["report"]["copies"]["run"] == 4
    assert seen["sentence"].startswith("Of 4 copies 4 were run by both versions")
    page = shadowed.get(f"{SHADOW}/report.html")
    assert page.status_code == 200
    assert b"Shadow echo:2 of echo:1: rule 1 of echo@default" in page.content
    assert page.content.count(b"data:image/png;base64,") == 2
    assert "default-src 'none'" in page["Content-Security-Policy"]
    picture = shadowed.get(f"{SHADOW}/times.png")
    assert (picture["Content-Type"], picture.content[:4]) == ("image/png", b"\x89PNG")
    Shadow.objects.update(counts={})
    assert shadowed.get(f"{SHADOW}/times.png").status_code == 409


def test_a_shadow_is_stopped_and_started_again(shadowed: Client) -> None:
    status, seen = sent(shadowed, f"{SHADOW}/stop", {"reason": "too warm"})
    assert (status, seen["state"], seen["reason"]) == (200, "stopped", "too warm")
    assert sent(shadowed, f"{SHADOW}/stop", {})[1]["code"] == "wrong_state"
    status, seen = sent(shadowed, f"{SHADOW}/start", {"reason": "cold"})
    assert (status, seen["state"], seen["reason"]) == (200, "running", "")
    assert (
        list(Event.objects.filter(kind="shadow").values_list("actor", flat=True)) == ["client:operators"] * 2
    )


def test_only_who_may_roll_out_the_model_sees_its_shadow(shadowed: Client) -> None:
    app = client_of("app", "submit", "read")
    for path in (SHADOW, f"{SHADOW}/report.html", f"{SHADOW}/times.png"):
        assert app.get(path).status_code == 403
    assert sent(app, f"{SHADOW}/stop")[0] == 403


@pytest.mark.parametrize(
    "path", [f"{RULES}/2/shadow", f"{RULES}/1/shadow?alias=other", f"{RULES}/99999999999/shadow"]
)
def test_a_rule_without_a_shadow_has_none(shadowed: Client, path: str) -> None:
    sent(shadowed, RULES, {"document": {"stable": "1"}})
    status, problem = read(shadowed, path)
    assert (status, problem["code"]) == (404, "not_found")


WRONG: list[tuple[dict[str, Any], int, str]] = [
    ({"version": "1"}, 422, "rule"),
    ({"version": "9"}, 404, "model_not_found"),
    ({"version": "draft"}, 409, "version_state"),
    ({"version": "2", "share": -0.1}, 422, "rule"),
    ({"version": "2", "share": 1.1}, 422, "rule"),
    ({"version": "2", "share": "all"}, 422, "rule"),
    ({"version": "2", "batch_s": 0}, 422, "rule"),
    ({"version": "2", "batch_s": 60}, 422, "rule"),
    ({"version": "2", "surprise": 1}, 422, "rule"),
    ({"version": "other"}, 422, "rule"),
    ({"version": "open"}, 422, "rule"),
    ({"version": "sealed"}, 422, "rule"),
    ({}, 422, "rule"),
]


@pytest.mark.parametrize(("shadow", "status", "code"), WRONG, ids=json.dumps)
def test_a_wrong_shadow_is_refused_and_the_rule_is_not_put(
    operator: Client, shadow: dict[str, Any], status: int, code: str
) -> None:
    make_version("echo", "draft", input_schema=SCHEMA, state="draft")
    make_version("echo", "other", input_schema={"type": "object", "required": ["b"]})
    make_version("echo", "sealed", input_schema=SCHEMA, options={"encrypt": True})
    if shadow.get("version") == "open":
        marked = {**SCHEMA, "x-pii": True}
        ModelVersion.objects.filter(model__name="echo", version="1").update(input_schema=marked)
        make_version("echo", "open", input_schema=SCHEMA)
    both = {"schema": "both"} if shadow.get("version") == "open" else {}
    answered, problem = sent(operator, RULES, {"document": {**FULL, "shadow": shadow, **both}})
    assert (answered, problem["code"]) == (status, code), problem
    assert not Rule.objects.exists()


def test_a_candidate_or_an_arm_is_no_shadow(operator: Client) -> None:
    make_version("echo", "3", input_schema=SCHEMA)
    pair = {"stable": "1", "candidate": "2", "share": 0.1}
    arms = {"stable": "1", "arms": [{"version": "2", "share": 0.5}, {"version": "3", "share": 0.5}]}
    for document in (pair, arms):
        status, problem = sent(operator, RULES, {"document": {**document, "shadow": {"version": "2"}}})
        assert (status, problem["code"]) == (422, "rule"), problem
        assert "answers jobs of this rule already" in problem["detail"]


def test_the_command_shows_writes_stops_and_starts(shadowed: Client, tmp_path: Path) -> None:
    def rules(*words: str) -> str:
        out = StringIO()
        call_command("rules", "shadow", "echo", *words, stdout=out)
        return out.getvalue()

    assert "The shadow echo:2 of rule 1 of echo@default is running." in rules()
    assert json.loads(rules("--json"))["number"] == 1
    assert str(tmp_path) in rules("--out", str(tmp_path))
    assert {path.name for path in tmp_path.iterdir()} == {
        "report.json", "report.html", "times.png", "labels_between.png",
    }  # fmt: skip
    assert "is stopped (warm)" in rules("--stop", "--reason", "warm")
    assert "is running" in rules("--start", "--number", "1")
    with pytest.raises(CommandError, match="There is no rule 7"):
        rules("--number", "7")
