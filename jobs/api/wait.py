"""Wait for a job on a thread, by few threads at once, so that short calls still find one."""

from __future__ import annotations

import re
from collections.abc import Callable
from threading import BoundedSemaphore

from django.conf import settings

from jobs.api.hub_thread import hub_thread
from jobs.core.states import TERMINAL
from jobs.selectors.views import View

MAX_WAITING_THREADS = 3
_free = BoundedSemaphore(MAX_WAITING_THREADS)
_PREFER_WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?(\d{1,6})\"?\s*(?:$|[,;])", re.IGNORECASE)


def bounded_wait_s(asked_s: float) -> float:
    """Return how long a call may wait that asks for `asked_s`."""
    return min(max(asked_s, 0.0), float(settings.INFERENCE.result_wait_limit_s))


def preferred_wait_s(prefer: str) -> int | None:
    """Return the seconds of a `Prefer: wait=S` header (RFC 7240), None without one."""
    match = _PREFER_WAIT.search(prefer)
    return int(match[1]) if match else None


def wait_for_end(view: View, *, wait_s: float, reread: Callable[[], View | None]) -> View:
    """Return the job once it has ended or `wait_s` are over; at once where enough threads wait already."""
    if wait_s <= 0 or view["state"] in TERMINAL or not _free.acquire(blocking=False):
        return view
    try:
        return hub_thread().ended(view["id"], bounded_wait_s(wait_s)) or reread() or view
    finally:
        _free.release()
