"""Rows for tests: a client, a model version, and jobs in any state with the side rows of that state."""

from __future__ import annotations

import json
import secrets
import time
from collections import Counter
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction
from django.utils import timezone

from jobs.core.ids import uuid7
from jobs.core.states import TERMINAL, State
from jobs.models import Batch, Client, DeadLetter, Job, JobInput, JobResult, Outbox, Worker
from models_registry.models import Alias, Loader, ModelVersion, RegisteredModel


def job_id() -> UUID:
    return uuid7(time.time_ns() // 1_000_000, secrets.randbits(74))


def make_client(name: str = "tests") -> Client:
    return Client.objects.get_or_create(name=name)[0]


def make_version(model: str = "echo", version: str = "1", **fields: Any) -> ModelVersion:
    """Return a version; create it, its model and the alias `default` where they are missing."""
    row, _ = RegisteredModel.objects.get_or_create(name=model)
    fields = {"loader": Loader.ENTRY_POINT, "artifact": f"tests:{model}"} | fields
    made, _ = ModelVersion.objects.get_or_create(model=row, version=version, defaults=fields)
    Alias.objects.get_or_create(model=row, name="default", defaults={"version": made})
    return made


def make_worker(node: str = "gpu-0@tests", **fields: Any) -> Worker:
    defaults = {"id": uuid4(), "host": "tests", "pid": 1, "device": "cpu", "model_names": ["echo"]}
    worker = Worker.objects.create(**(defaults | {"node": node} | fields))
    worker.refresh_from_db()
    return worker


def make_batch(worker: Worker, version: ModelVersion, jobs: list[Job], *, isolation_group: int = 0) -> Batch:
    """Return an open batch in which the jobs run; take them out of the outbox."""
    ids = [job.id for job in jobs]
    batch = Batch.objects.create(
        id=uuid4(),
        worker=worker,
        version=version,
        members=ids,
        size=len(ids),
        seal_reason="full",
        isolation_group=isolation_group,
    )
    rows = Job.objects.filter(id__in=ids)
    rows.update(state=State.RUNNING, batch=batch, epoch=1, attempts=1, started_at=timezone.now())
    Outbox.objects.filter(job_id__in=ids).delete()
    return batch


def make_job(
    *, state: State = State.QUEUED, model: str = "echo", body: Any = None, due: datetime | None = None,
    published: int = 0, **fields: Any,
) -> Job:  # fmt: skip
    """Return a job with its input and the side rows of its state; `fields` override Job's columns."""
    return make_jobs(1, state=state, model=model, body=body, due=due, published=published, **fields)[0]


def make_jobs(
    count: int, *, state: State = State.QUEUED, model: str = "echo", body: Any = None,
    due: datetime | None = None, published: int = 0, **fields: Any,
) -> list[Job]:  # fmt: skip
    """Return `count` jobs, as `make_job` makes one, in one transaction."""
    version = fields.pop("version", None) or make_version(model)
    base = {
        "client": make_client(), "version": version, "model": model, "priority": 4, "state": state,
        "max_attempts": version.max_attempts,
        "finished_at": timezone.now() if state in TERMINAL else None,
    } | fields  # fmt: skip
    jobs = [Job(**({"id": job_id(), "epoch": 0, "attempts": 0} | base)) for _ in range(count)]
    with transaction.atomic():
        if state is State.RUNNING and not base.get("batch"):
            _put_in_a_batch(jobs, version)
        Job.objects.bulk_create(jobs)
        content = json.dumps({} if body is None else body).encode()
        columns = {"keep_days": base["keep_days"]} if "keep_days" in base else {}
        JobInput.objects.bulk_create([JobInput(job=job, body=content, **columns) for job in jobs])
        _side_rows(state, jobs, due=due or timezone.now(), published=published)
    return jobs


def make_dead(count: int = 1, *, model: str = "echo", body: Any = None, **columns: Any) -> list[Job]:
    """Return `count` dead jobs, as `make_job` makes one; `columns` are of their dead letters."""
    jobs = make_jobs(count, state=State.DEAD, model=model, body=body)
    if columns:
        DeadLetter.objects.filter(job__in=jobs).update(**columns)
    return jobs


def count_by_state() -> dict[str, int]:
    """Return how many jobs there are in each state that some job has."""
    return dict(Counter(Job.objects.values_list("state", flat=True)))


def _put_in_a_batch(jobs: list[Job], version: ModelVersion) -> None:
    ids = [job.id for job in jobs]
    batch = Batch.objects.create(
        id=uuid4(), worker=make_worker(), version=version, members=ids, size=len(ids), seal_reason="full"
    )
    for job in jobs:
        job.batch, job.epoch, job.attempts, job.started_at = batch, 1, 1, timezone.now()


def _side_rows(state: State, jobs: list[Job], *, due: datetime, published: int) -> None:
    if state in {State.QUEUED, State.WAITING}:
        Outbox.objects.bulk_create([_outbox(job, due, published) for job in jobs])
    if state is State.SUCCEEDED:
        JobResult.objects.bulk_create(
            [JobResult(job=job, epoch=job.epoch, body=b"{}", keep_days=job.keep_days) for job in jobs]
        )
    if state is State.DEAD:
        DeadLetter.objects.bulk_create([_dead_letter(job) for job in jobs])


def _outbox(job: Job, due: datetime, published: int) -> Outbox:
    return Outbox(
        job=job, epoch=job.epoch, version_id=job.version_id, model=job.model, priority=job.priority,
        size=job.size or 0, due=due, published=published, deadline=job.deadline, client=job.client_id,
    )  # fmt: skip


def _dead_letter(job: Job) -> DeadLetter:
    return DeadLetter(
        job=job, epoch=job.epoch, model=job.model, kind="poison", code="test", message="died in a test",
        fingerprint="poison:test:-",
    )  # fmt: skip
