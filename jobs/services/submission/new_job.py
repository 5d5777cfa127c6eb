"""Place admitted jobs: an id for each, sealed files, and the key under which it may share a result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from jobs.core.admission.shedding import Expected
from jobs.core.reuse.key import Reuse
from jobs.core.submission.parsed_job import ParsedJob, Refusals
from jobs.db import database_clock
from jobs.db.new_ids import new_ids
from jobs.payloads.row_sealing import input_columns, sealed_files, shared_key
from jobs.services.access.owner import Owner
from jobs.services.retention.keep_days import keep_days


@dataclass(frozen=True, slots=True)
class NewJob:
    """An admitted job that is about to be stored: its place in its call, its id, what it may share.

    `expected` is its estimated wait, where it is known.
    """

    index: int
    id: UUID
    job: ParsedJob
    reuse: Reuse | None
    expected: Expected | None = None

    @property
    def columns(self) -> dict[str, Any]:
        """Return the job's parameters of the statements that store jobs; large payloads are stored here."""
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
            "keep_days": keep_days(job.version.platform_options),
        }


@dataclass(frozen=True, slots=True)
class StoredJob:
    """A job that a statement made; `source` is the job whose result answers it, where one does."""

    created_at: datetime
    state: str
    source: UUID | None = None


def place_jobs(
    *, owner: Owner, jobs: Mapping[int, ParsedJob], expected: Expected | None
) -> tuple[list[NewJob], Refusals]:
    """Return the jobs in the order of their places, ids growing, and the refusals of unsealable files."""
    sealed, refusals = sealed_files(jobs)
    # An id decides when its payloads are deleted.
    database_clock.refresh()
    placed = [
        NewJob(index, job_id, job, shared_key(job, client=owner.id), expected)
        for job_id, (index, job) in zip(new_ids(len(sealed)), sorted(sealed.items()), strict=True)
    ]
    return placed, refusals


def in_key_order(jobs: Sequence[NewJob]) -> list[NewJob]:
    """Return jobs by their idempotency keys: two calls that insert in other orders would deadlock."""
    return sorted(jobs, key=lambda new: new.job.idempotency_key or "")
