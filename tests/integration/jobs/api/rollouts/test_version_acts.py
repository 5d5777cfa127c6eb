"""States of versions over the API."""

from __future__ import annotations

import pytest
from django.test import Client

from models_registry.models import ModelVersion
from tests.integration.jobs.api.rollouts.asked import client_of, sent

VERSION = "/api/v1/models/echo/versions/2"


def test_a_version_is_blocked_unblocked_and_retired(operator: Client) -> None:
    status, version = sent(operator, f"{VERSION}/block", {"reason": "wrong labels"})
    assert (status, version["version"], version["state"]) == (200, "2", "blocked")
    status, problem = sent(operator, f"{VERSION}/unblock")
    assert (status, problem["code"]) == (409, "version_state")  # it needs a reason
    assert sent(operator, f"{VERSION}/unblock", {"reason": "mended"})[1]["state"] == "staged"
    assert sent(operator, f"{VERSION}/retire")[1]["state"] == "retired"
    for verb in ("stage", "retire", "block", "unblock"):
        assert sent(operator, f"{VERSION}/{verb}", {"reason": "why"})[1]["code"] == "version_state", verb


def test_a_draft_is_staged(operator: Client) -> None:
    ModelVersion.objects.filter(model__name="echo", version="2").update(state="draft")
    assert sent(operator, f"{VERSION}/stage")[1]["state"] == "staged"


@pytest.mark.parametrize("verb", ["retire", "block"])
def test_a_version_that_answers_for_an_alias_stays(operator: Client, verb: str) -> None:
    status, problem = sent(operator, f"/api/v1/models/echo/versions/1/{verb}", {"reason": "old"})
    assert (status, problem["code"]) == (409, "version_state")
    assert "default" in problem["detail"]


def test_an_unknown_version_or_verb_is_not_found(operator: Client) -> None:
    assert sent(operator, "/api/v1/models/echo/versions/9/block")[1]["code"] == "model_not_found"
    assert sent(operator, "/api/v1/models/nothing/versions/1/block")[1]["code"] == "model_not_found"
    assert sent(operator, f"{VERSION}/praise")[1]["code"] == "not_found"


def test_to_register_versions_is_not_to_decide_what_answers(versions: None) -> None:
    trainer = client_of("trainers", "register", "submit", "approve")
    for verb in ("stage", "retire", "block", "unblock"):
        status, problem = sent(trainer, f"{VERSION}/{verb}", {"reason": "mine"})
        assert (status, problem["scope"]) == (403, "roll_out")
