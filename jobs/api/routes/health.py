"""Pages for machines: health and readiness; they need no token."""

from __future__ import annotations

from typing import NamedTuple

from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from jobs.api.responses import json_answer
from jobs.core.errors import UnavailableError
from jobs.db.preflight import check_database
from jobs.db.statement import Statement, fetch_all
from jobs.services.access.known_keys import check_keys


class _Condition(NamedTuple):
    read_only: bool
    synchronous_replication: bool


_CONDITION = Statement(
    """
SELECT pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on' AS read_only,
  current_setting('synchronous_standby_names') <> ''
    AND current_setting('synchronous_commit') NOT IN ('off', 'local') AS synchronous_replication
""",
    _Condition,
)


@require_safe
def healthz(_request: HttpRequest) -> HttpResponse:
    """Answer as long as this process runs."""
    return json_answer({"status": "ok"})


@require_safe
def readyz(_request: HttpRequest) -> HttpResponse:
    """Answer where jobs can be stored; with a 503 problem where the database is away, read-only or unusable.

    Only with synchronous replication does an acknowledgement outlive the loss of the primary.
    """
    (condition,) = fetch_all(_CONDITION)
    if condition.read_only:
        connection.close()  # the next one may lead to the new primary
        raise UnavailableError("The database is read-only: a standby, or a disk that is full.")
    check_database()
    check_keys()
    return json_answer({"status": "ready", "synchronous_replication": condition.synchronous_replication})
