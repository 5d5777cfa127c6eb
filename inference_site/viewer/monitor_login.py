"""The login with which Flower reads: RabbitMQ's user `monitor`, with the rights that compose/ gives it."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import unquote, urlsplit

from jobs.broker.permissions import definitions
from jobs.broker.topology import BrokerUser

USER = BrokerUser.MONITOR.value
ANSWER_S = 5.0


class LoginRefusedError(RuntimeError):
    """RabbitMQ refuses to make the login."""


def add_monitor(management_url: str, password: str) -> bool:
    """Make the user, its rights, and the exchange that it binds to; False if nothing answers yet.

    LoginRefusedError.
    """
    whole = definitions()
    (tags,) = (user["tags"] for user in whole["users"] if user["name"] == USER)
    rights = {kind: _of_monitor(whole[kind]) for kind in ("permissions", "topic_permissions")}
    try:
        _ask(management_url, "PUT", f"/api/users/{USER}", {"password": password, "tags": tags})
        _ask(management_url, "POST", "/api/definitions", {**rights, "exchanges": whole["exchanges"]})
    except (OSError, HTTPException):
        return False
    return True


def _of_monitor(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [entry for entry in entries if entry["user"] == USER]


def _ask(url: str, method: str, path: str, body: Mapping[str, Any]) -> None:
    parts = urlsplit(url)
    login = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}".encode()
    headers = {"Authorization": f"Basic {b64encode(login).decode()}", "Content-Type": "application/json"}
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=ANSWER_S)
    try:
        connection.request(method, path, json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
    finally:
        connection.close()
    if answer.status >= 400:  # noqa: PLR2004  # as HTTP counts
        raise LoginRefusedError(f"rabbitmq refuses {method} {path}: {answer.status} {text[:200]}")
