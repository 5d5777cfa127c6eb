"""A client that is limited to some models puts no cascade over others, and learns nothing of them."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from jobs.models import Client as ClientRow
from models_registry.models import ModelVersion, Rule
from models_registry.services.rules import put_rule
from tests.integration.jobs.api.rollouts.asked import client_of, sent
from tests.support.cascades import cascade
from tests.support.factories import make_version

RULES = "/api/v1/models/light/rules"


@pytest.fixture
def narrow(db: str) -> Client:
    """Return a client that may use the model `light` alone, beside `heavy` and `other`."""
    assert db
    for model in ("light", "heavy", "other"):
        make_version(model, "1")
    make_version("light", "2")
    inner = {"stable": "2", "cascade": cascade("light:2", "heavy:1")}
    put_rule(model="light", alias="default", document={"stable": "2"}, actor="olga")
    put_rule(model="light", alias="default", document=inner, actor="olga")
    app = client_of("narrow", "roll_out")
    ClientRow.objects.filter(name="narrow").update(models=["light"])
    return app


def put(app: Client, path: str, document: Any) -> tuple[int, str]:
    more = {"last": 10} if path.endswith("preview") else {}
    status, answer = sent(app, path, {"document": {"stable": "1", "cascade": document}} | more)
    return status, answer.get("code", "")


@pytest.mark.parametrize("path", [RULES, f"{RULES}/preview"])
@pytest.mark.parametrize(
    "document",
    [
        cascade("light:1", "heavy:1"),
        cascade("heavy:1", "light:1"),
        cascade("light:1", "heavy:9"),
        cascade("light:1", "heavy@nothing"),
        cascade("light:1", "absent:1"),
        cascade("light:9", "heavy:1"),
        cascade("light:1", "heavy:1", escalate={"pointer": "/nothing", "below": 1}),
        cascade("light:1", "light@default"),
    ],
)
def test_each_model_of_a_cascade_is_checked_before_anything_else_is_said(
    narrow: Client, path: str, document: Any
) -> None:
    before = Rule.objects.count()
    ModelVersion.objects.filter(model__name="heavy").update(
        output_schema={"properties": {"label": {}}, "additionalProperties": False}
    )
    assert put(narrow, path, document) == (403, "model_not_allowed")
    assert Rule.objects.count() == before


def test_its_own_models_and_those_of_a_client_without_limits_are_allowed(narrow: Client) -> None:
    assert put(narrow, RULES, cascade("light:1", "light:2")) == (201, "")
    assert put(client_of("wide", "roll_out"), RULES, cascade("light:1", "heavy:1")) == (201, "")
