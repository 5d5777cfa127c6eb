"""A row that a console locked and forgot."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, LiteralString

import psycopg


@contextmanager
def locked(db: str, rows: LiteralString, *keys: Any) -> Iterator[None]:
    """Hold the lock of `rows`, a FROM clause with its condition."""
    with psycopg.connect(db) as console:
        console.execute(f"SELECT FROM {rows} FOR UPDATE", keys)
        yield
        console.rollback()
