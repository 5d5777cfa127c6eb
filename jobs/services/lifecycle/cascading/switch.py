"""The one place that says whether a job may escalate: the switch of operators."""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from django.db import Error as DjangoDatabaseError
from django.db import connection

from jobs.core.errors import PlatformError, UnavailableError
from jobs.core.submission.routed_job import key_of
from jobs.db.statement import Statement, fetch_all
from jobs.services.reads.payloads import plain_asides
from models_registry.core.routing.decision import Ask
from models_registry.core.routing.switches import Switch
from models_registry.flag_reads import switch_is_on

log = logging.getLogger(__name__)

RETRY_S = 1.0


class _Asking(NamedTuple):
    key: int
    client: str
    priority: int


_ASKING = Statement(
    """
SELECT route.key, client.name AS client, job.priority
FROM jobs_route route JOIN jobs_job job ON job.id = route.job_id
JOIN jobs_client client ON client.id = job.client_id
WHERE route.job_id = %(job)s AND route.key IS NOT NULL
""",
    _Asking,
)


class EscalationSwitch:
    """The switch as the settle stage's thread sees it, where nothing else uses Django's connection."""

    def __init__(self) -> None:
        """Read it at the first job."""
        self._retry_at = float("-inf")

    def is_on(self, job: UUID) -> bool:
        """Return whether a job of a cascade may go to its next step; so it is where that cannot be read.

        It asks the database for flags once a second at most, also where that fails, and for the job only
        where a flag of this name depends on jobs. Call `release` after a batch.
        """
        try:
            return switch_is_on(Switch.ESCALATE, partial(self._ask, job))
        except (DjangoDatabaseError, PlatformError):
            return True

    def release(self) -> None:
        """Close this thread's connection: Django closes none of it, and a restart or switchover breaks it."""
        connection.close()

    def _ask(self, job: UUID) -> Ask:
        """Return what the rule decided by; an error where it cannot be read, and for a second after that."""
        if time.monotonic() < self._retry_at:
            raise UnavailableError("What a flag needs to know of jobs could not be read just now.")
        try:
            return _ask(job)
        except (DjangoDatabaseError, PlatformError) as error:
            log.warning("what the flag %s needs is unread: %s", Switch.ESCALATE, type(error).__name__)
            if isinstance(error, DjangoDatabaseError | UnavailableError):
                self._retry_at = time.monotonic() + RETRY_S
            raise


def _ask(job: UUID) -> Ask:
    """Return what the rule decided by; without a key, as an erased job, it is that of no other job."""
    row = next(iter(fetch_all(_ASKING, {"job": job})), None)
    if row is None:
        return Ask(job.bytes, "", 0, {}, {})
    metadata, parameters = plain_asides(job)
    return Ask(key_of(row.key), row.client, row.priority, _decoded(metadata), _decoded(parameters))


def _decoded(body: bytes | None) -> Any:
    return msgspec.json.decode(body) if body else {}
