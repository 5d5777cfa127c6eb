"""The name of a call, by which its client and our logs speak of the same one."""

from __future__ import annotations

import re
from uuid import uuid4

MOST_CHARS = 128
_SANE = re.compile(rf"[!-~]{{1,{MOST_CHARS}}}")  # visible ASCII


def request_id(given: str) -> str:
    """Return the id that a client gave, if it is 1 to 128 visible ASCII characters; else a new one."""
    return given if _SANE.fullmatch(given) else uuid4().hex
