"""A site with keys of its own, a version that encrypts, and a dump of the database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from jobs.services.submission.submitted import Submitted
from models_registry import selectors
from tests.support.factories import make_version
from tests.support.submit import submit_to

MODEL = "secret"
SCHEMA = {"type": "object", "properties": {"text": {"type": "string"}}}
OLD, NEW = ("old", b"o" * 32), ("new", b"n" * 32)


def config(*keys: tuple[str, bytes], **others: Any) -> Any:
    return replace(settings.INFERENCE, payload_keys=keys, **others)


def use(monkeypatch: pytest.MonkeyPatch, *ring: tuple[str, bytes], **others: Any) -> None:
    monkeypatch.setattr(settings, "INFERENCE", config(*ring, **others))


def secret_version(version: str = "1", model: str = MODEL, **fields: Any) -> None:
    selectors.forget()
    make_version(model, version, **({"options": {"encrypt": True}, "input_schema": SCHEMA} | fields))


def submit(value: Any, **fields: Any) -> Submitted:
    """Submit one job of MODEL."""
    return submit_to(MODEL, value, **fields)


def dump() -> str:
    """Return every value of every table of ours, bytes as text."""
    return "\n".join(_rows())


def _rows() -> Iterator[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE tablename ~ '^jobs_'")
        for (table,) in cursor.fetchall():
            cursor.execute(f'SELECT * FROM "{table}"')
            for row in cursor.fetchall():
                yield " ".join(_text(value) for value in row)


def _text(value: Any) -> str:
    raw = bytes(value) if isinstance(value, bytes | memoryview) else None
    return str(value) if raw is None else raw.decode("latin-1")
