"""The name of a call, by which its client and our logs speak of the same one."""

from __future__ import annotations

import re
from uuid import uuid4

MOST_CHARS = 128
_UNSAFE = re.compile(r"[^A-Za-z0-9._:/+=@-]")


def request_id(given: str) -> str:
    """Return the id that a client gave, without what a log could misread; a new one where nothing remains."""
    return _UNSAFE.sub("", given)[:MOST_CHARS] or uuid4().hex
