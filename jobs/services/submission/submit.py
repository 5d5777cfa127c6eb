"""Accept jobs: Job, JobInput and Outbox in one statement, which is one transaction and one round trip.

Every statement here may be run twice: a job's id is chosen before, so that a repeat finds its own row.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from random import getrandbits
from typing import Any
from uuid import UUID

from django.db import transaction

from jobs.core.admission.shedding import Expected
from jobs.core.errors import IdempotencyConflictError, PlatformError, UnavailableError
from jobs.core.ids import uuid7
from jobs.core.states import Verb, target
from jobs.core.submission.file_references import may_refer
from jobs.core.submission.request import ITEM_MARK, Admitted, JobRequest, admit
from jobs.db.notify import wake_relay
from jobs.db.positional import Row, fetch_all, once_more
from jobs.payloads.row_sealing import guarded, shared_key, with_sealed_files
from jobs.services.access.audit import submit_columns
from jobs.services.access.owner import Owner
from jobs.services.admission.admit import admit_jobs
from jobs.services.circuits.operate import answering
from jobs.services.retention.keep_days import keep_days
from jobs.services.retention.partitions import ensure_class
from jobs.services.submission.attachments import NO_PARTS, Parts, attached
from jobs.services.submission.new_job import NewJob, StoredJob, in_key_order
from jobs.services.submission.shared import store_shared
from jobs.services.submission.statements import EARLIER, INSERT_MANY, INSERT_ONE, KEYED_BEFORE
from jobs.services.webhooks.subscriptions import check_callback, expect
from models_registry.core.version import VersionInfo
from models_registry.selectors import resolve, validate_input

CHUNK_JOBS = 1_000
_QUEUED = target(Verb.SUBMIT).value
_BASE_BITS = 73  # of 74, so that a call's indices never overflow it


@dataclass(frozen=True, slots=True)
class Submitted:
    """A job that answers a request: just made, or (`created` is False) made earlier under the same key.

    `cached_from` is the job whose result answers this one, where one does already; `expected` is what a job
    that waits has to expect, where that is known.
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


def submit_job(*, owner: Owner, request: JobRequest, parts: Parts = NO_PARTS) -> Submitted:
    """Accept one job, with the file parts of its call; a PlatformError where it cannot be accepted."""
    (outcome,) = submit_jobs(owner=owner, requests=[request], parts=parts)
    if isinstance(outcome, PlatformError):
        raise outcome
    return outcome


def submit_jobs(
    *, owner: Owner, requests: Sequence[JobRequest | PlatformError], parts: Parts = NO_PARTS
) -> list[Submitted | PlatformError]:
    """Accept many jobs, CHUNK_JOBS a transaction, and return one outcome each, in order.

    Ids grow with the index. Where the database fails midway, the jobs of the chunks before are accepted. The
    call's Event is stored with its first new job; a repeat that makes none leaves none.
    """
    outcomes: list[Any] = [_admitted(owner, request, parts) for request in requests]
    expected = admit_jobs(owner, outcomes)
    outcomes = with_sealed_files(outcomes)  # now, for what was just refused copies no file
    ids = _ids(len(outcomes))
    candidates = [
        NewJob(i, job_id, job, shared_key(job, client=owner.id), expected)
        for i, (job_id, job) in enumerate(zip(ids, outcomes, strict=True))
        if isinstance(job, Admitted)
    ]
    _refuse_reused_call_key(owner, candidates)
    for days in {keep_days(c.job.version.options) for c in candidates}:
        ensure_class(days)
    call = submit_columns(owner, jobs=len(candidates), refused=len(outcomes) - len(candidates))
    for start in range(0, len(candidates), CHUNK_JOBS):
        chunk = candidates[start : start + CHUNK_JOBS]
        _submit_chunk(owner, chunk, outcomes, call)
        if any(outcomes[c.index].created for c in chunk if isinstance(outcomes[c.index], Submitted)):
            call["audit"] = None
    return outcomes


def _admitted(owner: Owner, request: JobRequest | PlatformError, parts: Parts) -> Admitted | PlatformError:
    if isinstance(request, PlatformError):
        return request
    try:
        version = once_more(lambda: answering(resolve(request.model)))
        job = _checked(owner, request, version, parts)
        check_callback(owner, request.callback_url)
        return guarded(job, version.secrecy)
    except UnavailableError:
        raise
    except PlatformError as error:
        return error


def _checked(owner: Owner, request: JobRequest, version: VersionInfo, parts: Parts) -> Admitted:
    job = admit(request, version)
    # What a file holds is seen by the worker first: it checks such an input against the schema.
    if may_refer(job.body) and (whole := attached(owner, request, version, parts)):
        return whole
    validate_input(version, request.input)
    return job


def _ids(count: int) -> Iterable[UUID]:
    now_ms, base = time.time_ns() // 1_000_000, getrandbits(_BASE_BITS)
    return (uuid7(now_ms, base + index) for index in range(count))


def _refuse_reused_call_key(owner: Owner, candidates: Sequence[NewJob]) -> None:
    """Refuse a whole bulk call whose key was used with other items, before any of it is stored."""
    digests = {
        c.job.idempotency_key: c.job.digest for c in candidates if ITEM_MARK in (c.job.idempotency_key or "")
    }
    rows = fetch_all(KEYED_BEFORE, (owner.id, list(digests))) if digests else []
    if any(digests[key] != bytes(digest) for key, digest in rows):
        raise IdempotencyConflictError


def _submit_chunk(owner: Owner, chunk: Sequence[NewJob], outcomes: list[Any], call: dict[str, Any]) -> None:
    stored = _stored(owner, chunk, call)
    if any(job.state == _QUEUED for job in stored.values()):
        wake_relay()
    refused = [c for c in chunk if c.id not in stored]
    for candidate in chunk:
        if job := stored.get(candidate.id):
            outcomes[candidate.index] = _new(candidate, job)
    for candidate, outcome in _earlier(owner, refused):
        outcomes[candidate.index] = outcome


def _stored(owner: Owner, chunk: Sequence[NewJob], call: dict[str, Any]) -> dict[UUID, StoredJob]:
    """Store what is new of a chunk; with a webhook among it in one transaction, else a statement is one."""
    if not any(candidate.job.callback_url for candidate in chunk):
        return _store(owner, chunk, call)
    with transaction.atomic():
        stored = _store(owner, chunk, call)
        expect({c.id: c.job.callback_url for c in chunk if c.id in stored and c.job.callback_url})
    return stored


def _store(owner: Owner, chunk: Sequence[NewJob], call: dict[str, Any]) -> dict[UUID, StoredJob]:
    stored, rest = store_shared(owner, [c for c in chunk if c.reuse is not None], call)
    rest += [c for c in chunk if c.reuse is None]
    return stored | _insert(owner, rest, call)


def _insert(owner: Owner, chunk: Sequence[NewJob], call: dict[str, Any]) -> dict[UUID, StoredJob]:
    """Store jobs that run for themselves alone."""
    if not chunk:
        return {}
    common = {"client": owner.id, "state": _QUEUED, **call}
    rows = [candidate.columns for candidate in in_key_order(chunk)]
    if len(rows) == 1:
        made = fetch_all(INSERT_ONE, rows[0] | common)
    else:
        made = fetch_all(INSERT_MANY, {name: [row[name] for row in rows] for name in rows[0]} | common)
    return {job_id: StoredJob(created_at, _QUEUED) for job_id, created_at in made}


def _new(candidate: NewJob, stored: StoredJob) -> Submitted:
    version = candidate.job.version
    told = (candidate.id, stored.state, version.model, version.version, 0, stored.created_at)
    expected = candidate.expected if stored.state == _QUEUED else None
    return Submitted(*told, created=True, cached_from=stored.source, expected=expected)


def _earlier(owner: Owner, refused: Sequence[NewJob]) -> Iterable[tuple[NewJob, Submitted | PlatformError]]:
    if not refused:
        return
    keys = [c.job.idempotency_key for c in refused if c.job.idempotency_key is not None]
    params = {"client": owner.id, "ids": [c.id for c in refused], "keys": keys}
    rows = fetch_all(EARLIER, params)
    found: dict[Any, Row] = {row[0]: row for row in rows} | {row[6]: row for row in rows if row[6]}
    for candidate in refused:
        row = found.get(candidate.job.idempotency_key) or found.get(candidate.id)
        yield candidate, _same_or_conflict(candidate, row)


def _same_or_conflict(candidate: NewJob, row: Row | None) -> Submitted | PlatformError:
    if row is None:  # made by a call that has since been undone or deleted: the client may try again
        return UnavailableError("The job could not be stored; send it again.")
    if row[7] is not None and bytes(row[7]) != candidate.job.digest:
        return IdempotencyConflictError()
    job_id, state, model, version, attempts, created_at = row[:6]
    created = job_id == candidate.id  # a repeated statement's own row
    return Submitted(job_id, state, model, version, attempts, created_at, created=created, cached_from=row[8])
