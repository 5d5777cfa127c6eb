"""Find the jobs that stand where new ones were not stored: under their keys, or by a repeated statement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jobs.core.errors import IdempotencyConflictError, PlatformError, UnavailableError
from jobs.payloads.row_sealing import is_of_request
from jobs.services.access.owner import Owner
from jobs.services.submission.new_job import NewJob
from jobs.services.submission.statements import EarlierJob
from jobs.services.submission.submitted import Submitted


def earlier_params(owner: Owner, jobs: Sequence[NewJob]) -> dict[str, Any]:
    """Return the parameters of EARLIER for jobs of one client."""
    keys = [new.job.idempotency_key for new in jobs if new.job.idempotency_key is not None]
    return {"client": owner.id, "ids": [new.id for new in jobs], "keys": keys}


def earlier_outcomes(jobs: Sequence[NewJob], rows: Sequence[EarlierJob]) -> list[Submitted | PlatformError]:
    """Return the outcome of each job, in order, by the rows of EARLIER."""
    by_id = {row.id: row for row in rows}
    by_key = {row.idempotency_key: row for row in rows if row.idempotency_key}
    return [
        _same_or_conflict(new, by_key.get(new.job.idempotency_key or "") or by_id.get(new.id)) for new in jobs
    ]


def _same_or_conflict(new: NewJob, earlier: EarlierJob | None) -> Submitted | PlatformError:
    if earlier is None:  # made by a call that has since been undone or deleted: the client may try again
        return UnavailableError("The job could not be stored; send it again.")
    if not is_of_request(earlier.request_digest, new.job):
        return IdempotencyConflictError()
    return Submitted(
        id=earlier.id,
        state=earlier.state,
        model=earlier.queue,
        version=earlier.version,
        attempts=earlier.attempts,
        created_at=earlier.created_at,
        created=earlier.id == new.id,  # a repeated statement's own row
        cached_from=earlier.source,
    )
