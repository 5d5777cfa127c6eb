"""Store placed jobs, and find the ones that were stored earlier under the same idempotency key."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction

from jobs.core.errors import IdempotencyConflictError, PlatformError
from jobs.core.submission.request import ITEM_MARK
from jobs.db.notify import wake_relay
from jobs.db.statement import fetch_all
from jobs.payloads.row_sealing import is_of_request
from jobs.services.access.owner import Owner
from jobs.services.erasure.subjects import remember_subjects
from jobs.services.submission.call_event import CallEvent
from jobs.services.submission.earlier import earlier_outcomes, earlier_params
from jobs.services.submission.label_rows import label_jobs
from jobs.services.submission.new_job import (
    QUEUED,
    NewJob,
    StoredJob,
    arrays_of,
    in_key_order,
    made_now,
    one_row,
    side_rows,
)
from jobs.services.submission.shared import store_shared
from jobs.services.submission.statements import (
    EARLIER,
    INSERT_MANY,
    INSERT_ONE,
    KEYED_BEFORE,
)
from jobs.services.submission.submitted import Submitted
from jobs.services.webhooks.subscriptions import expect

CHUNK_JOBS = 1_000
Outcomes = dict[int, Submitted | PlatformError]


def store_jobs(*, owner: Owner, jobs: Sequence[NewJob], event: CallEvent) -> Outcomes:
    """Store jobs, CHUNK_JOBS a transaction, and return an outcome for each by its place.

    IdempotencyConflictError, before any is stored, where the call's own key was used with other items.
    """
    _refuse_reused_call_key(owner, jobs)
    outcomes: Outcomes = {}
    for start in range(0, len(jobs), CHUNK_JOBS):
        chunk = _store_chunk(owner, jobs[start : start + CHUNK_JOBS], event)
        outcomes |= chunk
        event.stored_with(
            sum(isinstance(outcome, Submitted) and outcome.created for outcome in chunk.values())
        )
    return outcomes


def _refuse_reused_call_key(owner: Owner, jobs: Sequence[NewJob]) -> None:
    by_key = {
        key: new.job for new in jobs if (key := new.job.idempotency_key) is not None and ITEM_MARK in key
    }
    if not by_key:
        return
    earlier = fetch_all(KEYED_BEFORE, {"client": owner.id, "keys": list(by_key)})
    if not all(is_of_request(job.request_digest, by_key[job.idempotency_key]) for job in earlier):
        raise IdempotencyConflictError


def _store_chunk(owner: Owner, chunk: Sequence[NewJob], event: CallEvent) -> Outcomes:
    stored = _stored(owner, chunk, event)
    if queues := {
        new.job.version.model for new in chunk if new.id in stored and stored[new.id].state == QUEUED
    }:
        wake_relay(*queues)
    made: Outcomes = {new.index: made_now(new, stored[new.id]) for new in chunk if new.id in stored}
    return made | _earlier(owner, [new for new in chunk if new.id not in stored])


def _stored(owner: Owner, chunk: Sequence[NewJob], event: CallEvent) -> dict[UUID, StoredJob]:
    """Store the new jobs of a chunk: where a job has side rows, in a transaction."""
    if not any(new.job.callback_url or new.job.subjects or new.job.labels for new in chunk):
        return _store(owner, chunk, event)
    with transaction.atomic():
        stored = _store(owner, chunk, event)
        if urls := {new.id: url for new in chunk if new.id in stored and (url := new.job.callback_url)}:
            expect(owner, urls)
        remember_subjects({new.id: new.job.subjects for new in chunk if new.id in stored})
        label_jobs({new.id: new.job.labels for new in chunk if new.id in stored})
    return stored


def _store(owner: Owner, chunk: Sequence[NewJob], event: CallEvent) -> dict[UUID, StoredJob]:
    stored, alone = store_shared(owner, [new for new in chunk if new.reuse is not None], event)
    alone += [new for new in chunk if new.reuse is None]
    return stored | _insert(owner, alone, event)


def _insert(owner: Owner, jobs: Sequence[NewJob], event: CallEvent) -> dict[UUID, StoredJob]:
    """Store jobs that share nothing."""
    if not jobs:
        return {}
    common = {"client": owner.id, "state": QUEUED, **event.columns}
    sides, in_order = side_rows(jobs), in_key_order(jobs)
    if len(jobs) == 1:
        made = fetch_all(INSERT_ONE[sides], one_row(jobs[0]) | common)
    else:
        columns = arrays_of([new.columns for new in in_order], in_order, sides)
        made = fetch_all(INSERT_MANY[sides], columns | common)
    return {row.id: StoredJob(row.created_at, QUEUED) for row in made}


def _earlier(owner: Owner, jobs: Sequence[NewJob]) -> Outcomes:
    if not jobs:
        return {}
    found = earlier_outcomes(jobs, fetch_all(EARLIER, earlier_params(owner, jobs)))
    return {new.index: outcome for new, outcome in zip(jobs, found, strict=True)}
