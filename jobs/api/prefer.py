"""The seconds that a call waits for its job: `?wait=S`, or `Prefer: wait=S` with a submit (RFC 7240)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest

WAIT_REQUEST = (
    "inference.wait_request"  # the key in the WSGI environment under which a view leaves its request
)
APPLIED = "Preference-Applied"
_PREFER_WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?(\d{1,6})\"?\s*(?:$|[,;])", re.IGNORECASE)


@dataclass(slots=True)
class WaitRequest:
    """The job that a call waits for after its view has answered, None for no job; and the seconds.

    `is_large`: the call does not wait, but the job's output is too large for a thread to send.
    """

    job_id: UUID | None = None
    wait_s: float = 0.0
    is_large: bool = False


def bounded_wait_s(wait_s: float) -> float:
    """Return the seconds that a call may wait: those requested, within the server's limit."""
    return min(max(wait_s, 0.0), float(settings.INFERENCE.result_wait_limit_s))


def applied(wait_s: float) -> str:
    """Return the header of an answer to a call that waits (RFC 7240)."""
    return f"wait={bounded_wait_s(wait_s):.0f}"


def preferred_wait_s(prefer: str) -> int | None:
    """Return the seconds of a `Prefer: wait=S` header, None without one."""
    match = _PREFER_WAIT.search(prefer)
    return int(match[1]) if match else None


def wait_for(request: HttpRequest, job_id: UUID, wait_s: float) -> None:
    """Make the server wait for a job after this view has returned; no effect without our own server."""
    slot: WaitRequest | None = request.META.get(WAIT_REQUEST)
    if slot is not None:
        slot.job_id, slot.wait_s = job_id, bounded_wait_s(wait_s)


def leave_large(request: HttpRequest, job_id: UUID) -> bool:
    """Have the server read and send a job whose output is large; return False without our own server."""
    slot: WaitRequest | None = request.META.get(WAIT_REQUEST)
    if slot is None:
        return False
    slot.job_id, slot.is_large = job_id, True
    return True
