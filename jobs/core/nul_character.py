"""The character that JSON may hold and Postgres may not."""

from __future__ import annotations

import re

from jobs.core.errors import MalformedRequestError

_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def refuse_nul(raw: bytes) -> None:
    """Raise MalformedRequestError for JSON with the character NUL in it."""
    if _NUL.search(raw):
        raise MalformedRequestError("the body holds the character NUL, which cannot be stored")
