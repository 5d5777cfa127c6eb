"""What a submit returns for one job."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from jobs.core.admission.shedding import Expected


@dataclass(frozen=True, slots=True)
class Submitted:
    """A job that answers a request: just made, or (`created` is False) made earlier under the same key.

    `cached_from` is the job whose stored result answers this one; `expected` is the estimated wait of a job
    that waits, where it is known.
    """

    id: UUID
    state: str
    model: str
    version: str
    attempts: int
    created_at: datetime
    created: bool
    cached_from: UUID | None = None
    expected: Expected | None = None
