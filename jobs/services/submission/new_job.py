"""A request that was admitted and is about to be a row, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from jobs.core.admission.shedding import Expected
from jobs.core.reuse.key import Reuse
from jobs.core.submission.request import Admitted
from jobs.payloads.row_sealing import input_columns
from jobs.services.retention.keep_days import keep_days


@dataclass(frozen=True, slots=True)
class NewJob:
    """One admitted request of a call: its index there, the id it will have, what it may share.

    `expected` is what it has to expect where it waits.
    """

    index: int
    id: UUID
    job: Admitted
    reuse: Reuse | None
    expected: Expected | None = None

    @property
    def columns(self) -> dict[str, Any]:
        """Return what the statements that store jobs take of each."""
        job = self.job
        return {
            "id": self.id,
            "version": job.version.id,
            "queue": job.version.model,
            "priority": job.priority,
            "max_attempts": job.max_attempts,
            "size": job.size,
            "deadline_s": job.deadline_s,
            "key": job.idempotency_key,
            "digest": job.digest,
            **input_columns(self.id, job),
            "keep_days": keep_days(job.version.options),
        }


@dataclass(frozen=True, slots=True)
class StoredJob:
    """A job that a statement made; `source` is the job whose result answers it, where one does."""

    created_at: datetime
    state: str
    source: UUID | None = None


def in_key_order(candidates: Sequence[NewJob]) -> list[NewJob]:
    """Return candidates by their idempotency keys: two calls with other orders would deadlock."""
    return sorted(candidates, key=lambda c: c.job.idempotency_key or "")
