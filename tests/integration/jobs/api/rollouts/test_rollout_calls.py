"""Roll-outs over the API: who may do what, and each wrong request with its code."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from jobs.models import Client as AppRow
from jobs.models import Event
from models_registry.models import ModelVersion, RegisteredModel, Rollout, Rule
from tests.integration.jobs.api.rollouts.asked import ROLLOUTS, client_of, read, sent
from tests.support.factories import make_version


def test_a_roll_out_is_started_shown_listed_and_recorded(operator: Client, started: int) -> None:
    status, shown = read(operator, f"/api/v1/rollouts/{started}")
    assert (status, shown["model"], shown["stable"], shown["candidate"]) == (200, "echo", "1", "2")
    assert (shown["state"], shown["hold"], shown["share"], shown["met"]) == ("planned", None, 0.0, 0)
    assert (shown["actor"], shown["reason"], shown["ticket"]) == ("client:operators", "better", "ML-31")
    assert shown["plan"]["steps"] == [1, 5, 25, 50, 100]
    assert shown["budget"] == shown["plan"]["budget"] >= 50
    assert ids(operator, "?state=planned&model=echo") == [started]
    assert ids(operator, "?state=running") == []
    status, record = read(operator, f"/api/v1/rollouts/{started}/record")
    assert (status, record["by"]["ticket"], record["acts"][0]["act"]) == (200, "ML-31", "start")
    page = operator.get(f"/api/v1/rollouts/{started}/record", headers={"Accept": "text/markdown"})
    assert page.headers["Content-Type"].startswith("text/markdown")
    assert "ML-31" in page.content.decode()
    event = Event.objects.get(kind="rollout")
    assert (event.actor, event.detail["act"], event.token is not None) == ("client:operators", "start", True)


def ids(app: Client, query: str = "") -> list[int]:
    status, answer = read(app, f"/api/v1/rollouts{query}")
    assert status == 200, answer
    return [rollout["id"] for rollout in answer["rollouts"]]


def test_a_second_roll_out_of_an_alias_names_the_live_one(operator: Client, started: int) -> None:
    status, problem = sent(operator, ROLLOUTS, {"candidate": "2"})
    assert (status, problem["code"], problem["rollout"]) == (409, "rollout_conflict", started)
    assert Rollout.objects.count() == 1
    assert sent(operator, f"/api/v1/rollouts/{started}/cancel")[1]["state"] == "cancelled"
    assert sent(operator, ROLLOUTS, {"candidate": "2"})[0] == 201


def test_a_person_pauses_resumes_promotes_and_rolls_back(operator: Client, running: int) -> None:
    at = f"/api/v1/rollouts/{running}"
    status, held = sent(operator, f"{at}/pause", {"reason": "a complaint"})
    assert (status, held["state"], held["hold"], held["share"]) == (200, "held", "paused", 0.0)
    assert sent(operator, f"{at}/pause")[1]["code"] == "rollout_state"
    status, resumed = sent(operator, f"{at}/resume")
    assert (status, resumed["state"], resumed["hold"], resumed["share"]) == (200, "running", None, 0.01)
    status, problem = sent(operator, f"{at}/promote")
    assert (status, problem["code"]) == (409, "rollout_state")
    assert "anyway" in problem["detail"]
    status, promoted = sent(operator, f"{at}/promote", {"anyway": "checked by hand"})
    assert (status, promoted["share"], promoted["proven"]) == (200, 0.05, True)
    assert promoted["rule"] == Rule.objects.filter(model="echo").latest("number").number
    status, back = sent(operator, f"{at}/roll_back", {"reason": "enough"})
    assert (status, back["state"], back["share"]) == (200, "rolled_back", 0.0)
    assert ModelVersion.objects.get(model__name="echo", version="2").state == "blocked"
    assert sent(operator, f"{at}/resume")[1]["code"] == "rollout_state"
    done = Event.objects.filter(kind="rollout").order_by("id").values_list("detail__act", flat=True)
    assert list(done) == ["start", "pause", "resume", "promote", "step", "roll_back"]


def test_another_budget_changes_the_plan(operator: Client, running: int) -> None:
    at = f"/api/v1/rollouts/{running}/budget"
    before = Rollout.objects.get(pk=running)
    status, granted = sent(operator, at, {"budget": 4_000})
    assert (status, granted["budget"], granted["plan"]["budget"]) == (200, 4_000, 4_000)
    assert granted["sha256"] != before.sha256
    assert sent(operator, at, {"budget": 0})[1]["code"] == "malformed"
    assert sent(operator, at, {})[1]["code"] == "malformed"
    Rollout.objects.filter(pk=running).update(met=500)
    assert sent(operator, at, {"budget": 499})[1]["code"] == "rollout_state"
    assert Rollout.objects.get(pk=running).budget == 4_000


def test_who_started_a_roll_out_does_not_approve_it(versions: None) -> None:
    RegisteredModel.objects.filter(name="echo").update(approvals=1)
    both = client_of("operators", "roll_out", "approve")
    _, started = sent(both, ROLLOUTS, {"candidate": "2"})
    at = f"/api/v1/rollouts/{started['id']}"
    status, problem = sent(both, f"{at}/approve")
    assert (status, problem["code"]) == (409, "approval")
    reviewer = client_of("reviewers", "approve")
    status, problem = sent(reviewer, f"{at}/approve", {"sha256": "0" * 64})
    assert (status, problem["code"]) == (409, "approval")
    status, approved = sent(reviewer, f"{at}/approve", {"sha256": started["sha256"]})
    assert (status, [one["actor"] for one in approved["approvals"]]) == (200, ["client:reviewers"])
    assert sent(reviewer, f"{at}/approve")[1]["code"] == "approval"
    _, changed = sent(both, f"{at}/budget", {"budget": 60})
    assert changed["approvals"] == []  # an approval is void once the plan is another one


def test_who_changed_the_plan_does_not_approve_it_either(operator: Client, started: int) -> None:
    RegisteredModel.objects.filter(name="echo").update(approvals=1)
    at = f"/api/v1/rollouts/{started}"
    second = client_of("second", "roll_out", "approve")
    assert sent(second, f"{at}/budget", {"budget": 2_000_000_000})[0] == 200
    status, problem = sent(second, f"{at}/approve")
    assert (status, problem["code"]) == (409, "approval")
    assert "set the budget" in problem["detail"]
    assert sent(client_of("third", "approve"), f"{at}/approve")[0] == 200


def test_no_step_is_made_without_the_approvals_that_a_model_needs(operator: Client, running: int) -> None:
    RegisteredModel.objects.filter(name="echo").update(approvals=1)
    status, problem = sent(operator, f"/api/v1/rollouts/{running}/promote", {"anyway": "in a hurry"})
    assert (status, problem["code"]) == (409, "approval")
    assert Rollout.objects.get(pk=running).step == 0
    assert sent(operator, f"/api/v1/rollouts/{running}/roll_back")[0] == 200  # going back needs none


def test_admin_may_roll_out_and_not_approve(versions: None) -> None:
    admin = client_of("admins", "admin")
    status, started = sent(admin, ROLLOUTS, {"candidate": "2"})
    assert status == 201
    status, problem = sent(admin, f"/api/v1/rollouts/{started['id']}/approve")
    assert (status, problem["code"], problem["scope"]) == (403, "forbidden", "approve")


def test_a_client_reaches_only_roll_outs_of_models_that_it_may_use(operator: Client, started: int) -> None:
    narrow = client_of("narrow", "roll_out", "approve")
    AppRow.objects.filter(name="narrow").update(models=["another"])
    make_version("another")
    at = f"/api/v1/rollouts/{started}"
    for path in (at, f"{at}/record", f"{at}/events"):
        assert read(narrow, path)[1]["code"] == "rollout_not_found", path
    for verb in ("pause", "resume", "promote", "roll_back", "cancel", "approve"):
        assert sent(narrow, f"{at}/{verb}")[1]["code"] == "rollout_not_found", verb
    assert sent(narrow, f"{at}/budget", {"budget": 9})[1]["code"] == "rollout_not_found"
    assert ids(narrow) == []
    for path in (ROLLOUTS, "/api/v1/models/echo/versions/2/block"):
        assert (
            sent(narrow, path, {} if "block" in path else {"candidate": "2"})[1]["code"]
            == "model_not_allowed"
        )
    for path in ("/api/v1/models/echo/rules", "/api/v1/rollouts?model=echo"):
        assert read(narrow, path)[1]["code"] == "model_not_allowed", path
    assert Rollout.objects.get(pk=started).state == "planned"


def test_an_unknown_roll_out_is_not_found(operator: Client) -> None:
    for number in ("4711", "0", str(1 << 63), "9" * 40):
        assert read(operator, f"/api/v1/rollouts/{number}")[1]["code"] == "rollout_not_found", number
        assert sent(operator, f"/api/v1/rollouts/{number}/pause")[1]["code"] == "rollout_not_found", number
    assert read(operator, "/api/v1/rollouts/one")[1]["code"] == "not_found"


WRONG_STARTS: list[tuple[Any, int, str]] = [
    ({"candidate": "9"}, 404, "model_not_found"),
    ({"candidate": "2", "alias": "nowhere"}, 404, "model_not_found"),
    ({"candidate": "other:1"}, 422, "rollout_plan"),
    ({"candidate": "1"}, 422, "rollout_plan"),
    ({"candidate": "2", "plan": {"steps": [5, 1, 100]}}, 422, "rollout_plan"),
    ({"candidate": "2", "plan": {"steps": [1, 5]}}, 422, "rollout_plan"),
    ({"candidate": "2", "plan": {"steps": [-1, 100]}}, 422, "rollout_plan"),
    ({"candidate": "2", "plan": {"steps": ["one", 100]}}, 422, "rollout_plan"),
    ({"candidate": "2", "plan": {"steps": [1, 101]}}, 422, "rollout_plan"),
    ({"candidate": "2", "plan": {"step_s": 5}}, 422, "rollout_plan"),
    ({"candidate": "2", "plan": {"surprise": 1}}, 422, "rollout_plan"),
    ({"candidate": "2", "plan": {"sticky": "metadata:nowhere"}}, 422, "rollout_plan"),
    ({"candidate": "2", "plan": {"agreement": {"by": "feeling"}}}, 422, "rollout_plan"),
    ({"candidate": "2", "plan": {"steps": [0.00001, 100]}}, 422, "rollout_plan"),
    ({"candidate": "2", "plan": {"steps": [99.99999, 100]}}, 422, "rollout_plan"),
    ({"candidate": "2", "plan": {"holdback": 0.00001}}, 422, "rollout_plan"),
    ({"candidate": "2", "plan": {"budget": 10**10}}, 422, "rollout_plan"),
    ({"candidate": "2", "plan": {"agreement": {"by": "numbers", "atol": 1e300}}}, 422, "rollout_plan"),
    ({"candidate": "2", "plan": {"agreement": {"by": "entry_point"}}}, 422, "agreement"),
    ({"candidate": "2", "plan": {"cohorts": [{"when": {"type": 7}, "arm": "candidate"}]}}, 422, "rule"),
    (
        {"candidate": "2", "plan": {"cohorts": [{"when": {"properties": {"x": {}}}, "arm": "candidate"}]}},
        422,
        "rule",
    ),
    ({"candidate": "2", "plan": []}, 400, "malformed"),
    ({"candidate": "2", "surprise": 1}, 400, "malformed"),
    ({"candidate": "2", "reason": "x" * 3_000}, 400, "malformed"),
    ({"candidate": "2", "reason": "a\0b"}, 400, "malformed"),
    ({}, 400, "malformed"),
]


@pytest.mark.parametrize(("body", "status", "code"), WRONG_STARTS)
def test_a_wrong_start_names_what_is_wrong_and_leaves_nothing(
    operator: Client, body: Any, status: int, code: str
) -> None:
    make_version("other")
    answered, problem = sent(operator, ROLLOUTS, body)
    assert (answered, problem["code"]) == (status, code), problem
    assert len(problem["detail"]) > 20
    assert not Rollout.objects.exists()
    assert not Event.objects.filter(kind="rollout").exists()


def test_nan_is_no_json(operator: Client) -> None:
    body = b'{"candidate": "2", "plan": {"steps": [NaN, 100]}}'
    answer = operator.post(ROLLOUTS, body, "application/json")
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")


def test_an_unknown_model_is_not_found(operator: Client) -> None:
    for path in ("/api/v1/models/nothing/rollouts", "/api/v1/models/Not%20a%20name/rollouts"):
        assert sent(operator, path, {"candidate": "2"})[1]["code"] == "model_not_found", path


def test_a_name_that_postgres_cannot_hold_names_nothing(operator: Client) -> None:
    document = {"stable": "1"}
    for path, body in (
        ("/api/v1/models/a%00b/rules", {"document": document}),
        ("/api/v1/models/a%00b/rules/preview", {"document": document, "last": 5}),
        ("/api/v1/models/a%00b/versions/2/block", {}),
        ("/api/v1/models/echo/versions/%00/block", {}),
    ):
        assert sent(operator, path, body)[1]["code"] == "model_not_found", path
    assert read(operator, "/api/v1/models/echo/rules?alias=%00") == (200, {"rules": []})
    assert ids(operator, "?model=%00") == []


@pytest.mark.parametrize("state", ["draft", "blocked", "retired"])
def test_only_a_staged_version_is_rolled_out(operator: Client, state: str) -> None:
    ModelVersion.objects.filter(model__name="echo", version="2").update(state=state)
    status, problem = sent(operator, ROLLOUTS, {"candidate": "2"})
    assert (status, problem["code"]) == (409, "version_state")
    assert state in problem["detail"]


def test_a_candidate_that_takes_other_inputs_is_refused_unless_both_are_checked(operator: Client) -> None:
    make_version("echo", "3", input_schema={"type": "object", "required": ["other"]})
    status, problem = sent(operator, ROLLOUTS, {"candidate": "3"})
    assert (status, problem["code"]) == (422, "rule")
    assert sent(operator, ROLLOUTS, {"candidate": "3", "plan": {"schema": "both"}})[0] == 201
