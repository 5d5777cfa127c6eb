"""Calls of the API as tests of roll-outs make them."""

from __future__ import annotations

import json
from typing import Any

from django.test import Client

from jobs.services.access.tokens import create_token

ROLLOUTS = "/api/v1/models/echo/rollouts"


def client_of(name: str, *scopes: str) -> Client:
    """Return a client of the API whose token has these scopes."""
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
