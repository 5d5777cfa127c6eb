"""Versions that mark personal data, and a person whose data it is."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from django.db import connection

from jobs.services.submission.submitted import Submitted
from tests.support import payload_keys
from tests.support.submit import submit_to
from tests.support.worker import raising, run

WHO, STREET = "maxima-muster", "elm-street-1428"
NUMBER = 987654321
SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "x-pii": True},
        "home": {"type": "object", "x-pii": True, "properties": {"street": {"type": "string"}}},
        "id": {"type": "integer", "x-pii": True},
        "text": {"type": "string"},
    },
    "additionalProperties": False,
}
INPUT = {"name": WHO, "home": {"street": STREET}, "id": NUMBER, "text": "a plain word"}
SECRETS = (WHO, STREET, str(NUMBER))
PLAIN, SEALED = "plain", "sealed"
VERSIONS = {PLAIN: {"cache_ttl_s": 60}, SEALED: {"cache_ttl_s": 60, "encrypt": True}}


def submit(version: str, value: Any = INPUT, **fields: Any) -> Submitted:
    """Submit one job of a version of payload_keys.MODEL."""
    return submit_to(f"{payload_keys.MODEL}:{version}", value, **fields)


def secrets_in(text: str) -> list[str]:
    return [secret for secret in SECRETS if secret in text]


def quoting(value: Any) -> Exception:
    """Return an error that quotes an input in several ways, and one in its cause."""
    cause = KeyError(value["home"]["street"])
    error = ValueError(f"no such person: {value!r}, {json.dumps(value)}, {value['id']}")
    error.__cause__ = cause
    return error


def everything_but_payloads() -> str:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tablename FROM pg_tables WHERE tablename ~ '^jobs_' AND tablename !~ 'jobinput|result'"
        )
        tables = [name for (name,) in cursor.fetchall()]
        values = []
        for table in tables:
            cursor.execute(f'SELECT * FROM "{table}"')
            values += [payload_keys._text(value) for row in cursor.fetchall() for value in row]
    return "\n".join(values)


def dead_job(version: str, session: sa.Connection) -> Submitted:
    job = submit(version, parameters={"k": 1}, metadata={"m": 1})
    run(session, raising(quoting))
    return job
