"""Place admitted jobs: an id for each, and the key under which it may share a result."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from jobs.core.admission.shedding import Expected
from jobs.core.cascades.mark import marked, open_digest
from jobs.core.payloads.job_keys import JobIdentity
from jobs.core.reuse.key import Reuse
from jobs.core.states import Verb, target
from jobs.core.submission.parsed_job import ParsedJob
from jobs.core.submission.routed_job import route_arrays
from jobs.db import database_clock
from jobs.db.new_ids import new_ids
from jobs.payloads import vault
from jobs.payloads.row_sealing import input_columns, shared_key
from jobs.services.access.owner import Owner
from jobs.services.retention.keep_days import keep_days
from jobs.services.reuse.generations import generation_of
from jobs.services.submission.statements import SideRows
from jobs.services.submission.submitted import Submitted
from models_registry.core.routing.decision import Arm

QUEUED = target(Verb.SUBMIT).value


@dataclass(frozen=True, slots=True)
class NewJob:
    """An admitted job that is about to be stored: its place in its call, id, client, and what it shares.

    `expected` is its estimated wait, where it is known; `traceparent` the span that made it, if it is traced.
    """

    index: int
    id: UUID
    client: int
    job: ParsedJob
    reuse: Reuse | None
    expected: Expected | None = None
    traceparent: str | None = None

    @property
    def columns(self) -> dict[str, Any]:
        """Return the job's parameters of the statements that store jobs; large payloads are stored here."""
        job = self.job
        columns = {
            "id": self.id,
            "version": job.version.id,
            "queue": job.version.model,
            "priority": job.priority,
            "max_attempts": job.max_attempts,
            "size": job.size,
            "deadline_s": job.deadline_s,
            "key": job.idempotency_key,
            "digest": job.digest,
            **input_columns(JobIdentity(self.id, self.client, job.version.model_id), job, self.reuse),
            "keep_days": keep_days(job.version.platform_options),
            "output_form": job.output_form,
            "traceparent": self.traceparent,
        }
        if job.route is not None and job.route.kind.arm is Arm.BASELINE:
            columns["variant"] = _own_batches(job, job.route.kind.rollout)
        elif job.route is not None and job.route.kind.arm is Arm.CASCADE:
            digest = columns["variant"]
            columns["variant"] = marked(open_digest(job.parameters) if digest is None else digest)
        return columns


@dataclass(frozen=True, slots=True)
class StoredJob:
    """A job that a statement made; `source` is the job whose result answers it, where one does."""

    created_at: datetime
    state: str
    source: UUID | None = None


def place_jobs(*, owner: Owner, jobs: Mapping[int, ParsedJob], expected: Expected | None) -> list[NewJob]:
    """Return the jobs in the order of their places, ids growing."""
    # An id decides when its payloads are deleted.
    database_clock.refresh()
    return [
        NewJob(index, job_id, owner.id, job, _shared(owner, job), expected)
        for job_id, (index, job) in zip(new_ids(len(jobs)), sorted(jobs.items()), strict=True)
    ]


def _shared(owner: Owner, job: ParsedJob) -> Reuse | None:
    return shared_key(job, client=owner.id, generation=generation_of(job))


def made_now(new: NewJob, stored: StoredJob) -> Submitted:
    """Return the outcome of a job that a statement made."""
    version = new.job.version
    return Submitted(
        id=new.id,
        state=stored.state,
        model=version.model,
        version=version.version,
        attempts=0,
        created_at=stored.created_at,
        created=True,
        cached_from=stored.source,
        expected=new.expected if stored.state == QUEUED else None,
    )


def _own_batches(job: ParsedJob, rollout: int | None) -> int:
    """Return the batching key of a baseline's job, which no other job has, whatever its parameters are."""
    return vault.parameters_digest(b"baseline/%d/" % (rollout or 0) + (job.parameters or b""))


def side_rows(jobs: Collection[NewJob]) -> SideRows:
    """Return what some of the jobs have beside their own rows: it takes a statement that stores that."""
    return SideRows(
        any(new.job.route is not None for new in jobs), any(new.job.shadowed_by is not None for new in jobs)
    )


def one_row(new: NewJob) -> dict[str, Any]:
    """Return the parameters of the statements that store one job, with what it has beside its own rows."""
    columns, job = new.columns, new.job
    if job.route is not None:
        columns |= job.route.columns
    return columns if job.shadowed_by is None else columns | {"shadow": job.shadowed_by}


def arrays_of(
    rows: Sequence[Mapping[str, Any]], jobs: Sequence[NewJob], sides: SideRows
) -> dict[str, list[Any]]:
    """Return the `rows` of jobs, in their order, as arrays, with those of the side rows that some have."""
    arrays = {name: [row[name] for row in rows] for name in rows[0]}
    if sides.routes:
        arrays |= route_arrays([new.job.route for new in jobs])
    return arrays | {"shadow": [new.job.shadowed_by for new in jobs]} if sides.copies else arrays


def in_key_order(jobs: Sequence[NewJob]) -> list[NewJob]:
    """Return jobs by their idempotency keys: two calls that insert in other orders would deadlock."""
    return sorted(jobs, key=lambda new: new.job.idempotency_key or "")
