"""Refused calls in the audit: one row for an address and a minute, with a count.

A request only counts, without a statement, and a server writes the counts that are due each second. If it is
killed, those of the last minute are lost; an address's first refusal was written within a second.
"""

from __future__ import annotations

import logging
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any

from django.db import DatabaseError, connection

from jobs.core.access.audit_kinds import AuditKind
from jobs.core.access.refusal_counts import RefusalCounts, RefusalReason, RefusedCalls
from jobs.core.errors import UnavailableError
from jobs.db.statement import once_more
from jobs.services.access.audit import note
from jobs.services.access.request_origin import coming_from

__all__ = ["RefusalReason", "RefusalWriter", "count_refusal", "write_refusals"]
LOOKS_EVERY_S, LAST_WRITE_S = 1.0, 2.0
ACTOR = "anonymous"
log = logging.getLogger(__name__)
_counts, _lock = RefusalCounts(), Lock()


def count_refusal(address: str | None, reason: RefusalReason) -> None:
    """Count a refused call of an address."""
    with _lock:
        _counts.add(address, reason)


def write_refusals(*, whole: bool = False) -> int:
    """Append an Event for each count that is due, or for every count where `whole`; return how many."""
    with _lock:
        due = list(_counts.take(monotonic(), whole=whole))
    try:
        for refused in due:
            _write(refused)
    finally:
        if due:
            connection.close()  # of a thread that may not run again
    return len(due)


class RefusalWriter:
    """A server's thread that writes the counts; a daemon, so that no silent database delays its end."""

    def __init__(self) -> None:
        """Prepare the thread."""
        self._end = Event()
        self._thread = Thread(target=self._run, name="refusals", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Write what is counted, unless that takes long."""
        self._end.set()
        self._thread.join(LAST_WRITE_S)

    def _run(self) -> None:
        while not self._end.wait(LOOKS_EVERY_S):
            write_refusals()
        write_refusals(whole=True)


def _write(refused: RefusedCalls) -> None:
    log.warning("refused %d calls from %s: %s", refused.count, refused.address, refused.reason)
    detail: dict[str, Any] = {"reason": refused.reason.value, "count": refused.count}
    with coming_from(refused.address):
        try:
            once_more(lambda: note(AuditKind.ACCESS_REFUSED, actor=ACTOR, **detail))
        except (DatabaseError, UnavailableError) as error:
            log.warning("the audit has no row of these refusals: %s", error)
