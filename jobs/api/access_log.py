"""The access log: one record a call, for both roads, at the level `info`.

It holds templates of routes, ids and numbers: no path, query, token, address or payload. `status` is 499
where the client left before its answer began.
"""

from __future__ import annotations

import logging
import re
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from jobs.core.log_context import FIELDS

log = logging.getLogger("access")
CLIENT_LEFT = 499
UNMATCHED, STATIC = "unmatched", "/static/{path}"
_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@dataclass(slots=True)
class CallRecord:
    """What the access log says of one call: its route, its client's row id, its job, or how many it made."""

    route: str | None = None
    client: int | None = None
    job: UUID | None = None
    jobs: int | None = None


_record: ContextVar[CallRecord | None] = ContextVar("call_record", default=None)


def begin_record() -> CallRecord:
    """Return a new record, which is that of this thread or task from now on."""
    record = CallRecord()
    _record.set(record)
    return record


def call_record() -> CallRecord:
    """Return the record of the call that this thread or task answers; without one, a record to drop."""
    return _record.get() or CallRecord()


def is_kept() -> bool:
    """Return whether calls are logged."""
    return log.isEnabledFor(logging.INFO)


def note_access(record: CallRecord, *, method: str, status: int | None, seconds: float) -> None:
    """Log a call that is over."""
    method = method if method in METHODS else "other"
    fields: dict[str, object] = {
        "route": record.route,
        "method": method,
        "status": status or CLIENT_LEFT,
        "ms": round(seconds * 1_000, 2),
    }
    for name in ("client", "job", "jobs"):
        if (value := getattr(record, name)) is not None:
            fields[name] = value
    log.info(f"{method} {record.route} {fields['status']}", extra={FIELDS: fields})  # noqa: G004  # quicker


@lru_cache(maxsize=512)
def template_of(route: str) -> str:
    """Return Django's route, `jobs/<uuid:job_id>`, as the other road spells it: `/jobs/{job_id}`.

    A pattern that takes whatever no other route does is UNMATCHED.
    """
    return UNMATCHED if route[:1] == "^" or "(?P" in route else "/" + _PARAMETER.sub(r"{\1}", route)
