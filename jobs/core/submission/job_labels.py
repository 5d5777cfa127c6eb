"""Which fields of a job's metadata can be searched for. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

MOST_CHARS = 255
Labels = tuple[tuple[str, str], ...]


def job_labels(metadata: Mapping[str, Any] | None, fields: Sequence[str]) -> Labels:
    """Return the named top-level fields of metadata as (field, text).

    Texts, numbers and booleans can be searched for; other values, and texts over MOST_CHARS, are left out.
    """
    pairs = ((field, _text((metadata or {}).get(field))) for field in fields)
    return tuple((field, text) for field, text in pairs if text is not None)


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        return None
    text = str(value)
    # Postgres takes no NUL, and a lone surrogate is no UTF-8.
    return text if len(text) <= MOST_CHARS and "\0" not in text and text.isprintable() else None
