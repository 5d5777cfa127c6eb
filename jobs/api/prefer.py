"""How long a call waits for its job."""

from __future__ import annotations

import re

from django.conf import settings

_PREFER_WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?(\d{1,6})\"?\s*(?:$|[,;])", re.IGNORECASE)


def bounded_wait_s(asked_s: float) -> float:
    """Return how long a call may wait that asks for `asked_s`."""
    return min(max(asked_s, 0.0), float(settings.INFERENCE.result_wait_limit_s))


def preferred_wait_s(prefer: str) -> int | None:
    """Return the seconds of a `Prefer: wait=S` header (RFC 7240), None without one."""
    match = _PREFER_WAIT.search(prefer)
    return int(match[1]) if match else None
