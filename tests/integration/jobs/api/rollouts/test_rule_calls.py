"""Rules over the API: what is in force, what is refused, and what a preview promises."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from jobs.models import Event
from models_registry.models import Alias, ModelVersion, Rule
from tests.integration.jobs.api.rollouts.asked import client_of, read, sent

RULES = "/api/v1/models/echo/rules"
CANARY = {"stable": "1", "candidate": "2", "share": 0.05}


def test_rules_are_put_one_after_the_other_and_listed_newest_first(operator: Client) -> None:
    status, first = sent(operator, RULES, {"document": CANARY, "reason": "try it"})
    assert (status, first["number"], first["document"]["share"]) == (201, 1, 0.05)
    assert (first["actor"], first["reason"], first["rollout"]) == ("client:operators", "try it", None)
    status, second = sent(operator, RULES, {"document": {"stable": "1"}})
    assert (status, second["number"]) == (201, 2)
    status, answer = read(operator, f"{RULES}?alias=default")
    assert (status, [rule["id"] for rule in answer["rules"]]) == (200, [second["id"], first["id"]])
    assert read(operator, f"{RULES}?alias=other")[1] == {"rules": []}
    assert read(operator, "/api/v1/models/nothing/rules")[1]["code"] == "model_not_found"
    event = Event.objects.filter(kind="registry").latest("id")
    assert (event.actor, event.address is not None) == ("client:operators", True)


WRONG_RULES: list[tuple[Any, int, str]] = [
    ({"stable": "9"}, 404, "model_not_found"),
    ({"stable": "1", "candidate": "9"}, 404, "model_not_found"),
    ({"stable": "1", "candidate": "1", "share": 0.5}, 422, "rule"),
    ({"stable": "1", "candidate": "2", "share": 1.5}, 422, "rule"),
    ({"stable": "1", "candidate": "2", "share": -0.5}, 422, "rule"),
    ({"stable": "1", "candidate": "2", "share": "half"}, 422, "rule"),
    ({"stable": "1", "share": 0.5}, 422, "rule"),
    ({"stable": "1", "candidate": "2", "sticky": "weather"}, 422, "rule"),
    ({"stable": "1", "candidate": "2", "cohorts": [{"when": {"type": 7}, "arm": "candidate"}]}, 422, "rule"),
    ({"stable": "1", "candidate": "2", "cohorts": [{"when": {}, "arm": "nobody"}]}, 422, "rule"),
    ({"stable": "1", "surprise": 1}, 422, "rule"),
    ({}, 422, "rule"),
]


@pytest.mark.parametrize(("document", "status", "code"), WRONG_RULES)
@pytest.mark.parametrize("path", [RULES, f"{RULES}/preview"])
def test_a_wrong_rule_names_what_is_wrong_and_is_not_put(
    operator: Client, path: str, document: Any, status: int, code: str
) -> None:
    more = {"last": 10} if path.endswith("preview") else {}
    answered, problem = sent(operator, path, {"document": document, **more})
    assert (answered, problem["code"]) == (status, code), problem
    assert not Rule.objects.exists()
    assert Alias.objects.get(model__name="echo", name="default").version.version == "1"


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b"{", b'{"document": 7}', b'{"document": {"stable": "\\u0000"}}']
)
def test_a_malformed_rule_is_refused(operator: Client, body: bytes) -> None:
    answer = operator.post(RULES, body, "application/json")
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")


def test_a_version_that_is_not_staged_gets_no_share(operator: Client) -> None:
    ModelVersion.objects.filter(model__name="echo", version="2").update(state="blocked")
    assert sent(operator, RULES, {"document": CANARY})[1]["code"] == "version_state"


def test_no_rule_is_put_beside_a_live_roll_out(operator: Client, running: int) -> None:
    status, problem = sent(operator, RULES, {"document": {"stable": "1"}})
    assert (status, problem["code"], problem["rollout"]) == (409, "rollout_conflict", running)


def test_a_preview_says_what_jobs_would_get_and_changes_nothing(operator: Client) -> None:
    half = {"stable": "1", "candidate": "2", "share": 0.5, "salt": "s"}
    asks = [{"input": {"text": str(number)}} for number in range(40)]
    status, seen = sent(operator, f"{RULES}/preview", {"document": half, "asks": asks})
    assert (status, seen["total"], sum(seen["by_version"].values())) == (200, 40, 40)
    assert 5 < seen["by_version"]["2"] < 35
    assert not Rule.objects.exists()
    sent(operator, RULES, {"document": half})
    app = client_of("app", "submit")
    got = [sent(app, "/api/v1/jobs", {"model": "echo", **ask})[1]["version"] for ask in asks]
    assert got == [decision["version"] for decision in seen["decisions"]]
    _, stored = sent(operator, f"{RULES}/preview", {"document": half, "last": 100})
    assert (stored["total"], stored["by_version"]) == (40, seen["by_version"])


def test_a_preview_is_of_jobs_that_are_described_or_of_stored_ones(operator: Client) -> None:
    wrong: list[dict[str, Any]] = [{}, {"asks": [{}], "last": 5}, {"last": 0}, {"last": 10_001}, {"asks": []}]
    for more in wrong:
        status, problem = sent(operator, f"{RULES}/preview", {"document": CANARY, **more})
        assert (status, problem["code"]) == (400, "malformed"), more
