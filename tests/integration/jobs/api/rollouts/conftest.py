"""A model with two staged versions, an app that may roll out, and a roll-out that runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from models_registry.models import Rollout

Send = Callable[..., Any]
ROLLOUTS = "/api/v1/models/echo/rollouts"


def client_of(name: str, *scopes: str) -> Client:
    """Return a client of the API whose token has these scopes."""
    from jobs.services.access.tokens import create_token

    token = create_token(client=name, scopes=list(scopes))
    return Client(headers={"Authorization": f"Bearer {token}"})


def sent(app: Client, path: str, body: Any = None) -> tuple[int, dict[str, Any]]:
    """POST a body, and return the status and the answer."""
    raw = b"" if body is None else json.dumps(body).encode()
    answer = app.post(path, raw, "application/json")
    return answer.status_code, answer.json()


def read(app: Client, path: str) -> tuple[int, dict[str, Any]]:
    answer = app.get(path)
    return answer.status_code, answer.json()


@pytest.fixture
def versions(echo: None) -> None:
    from tests.integration.jobs.api.conftest import SCHEMA
    from tests.support.factories import make_version

    make_version("echo", "2", input_schema=SCHEMA)


@pytest.fixture
def operator(versions: None) -> Client:
    return client_of("operators", "roll_out")


@pytest.fixture
def started(operator: Client) -> int:
    """Return the id of a roll-out that was just started."""
    status, rollout = sent(operator, ROLLOUTS, {"candidate": "2", "reason": "better", "ticket": "ML-31"})
    assert status == 201, rollout
    return int(rollout["id"])


@pytest.fixture
def running(started: int) -> int:
    """Return the id of a roll-out whose gate has passed."""
    Rollout.objects.filter(pk=started).update(state="running")
    return started
