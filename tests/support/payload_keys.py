"""A site with keys of its own, a version that encrypts, and a worker that runs what is due in its own way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from django.conf import settings
from django.db import connection

from jobs.core.batching.sealed_batch import SealReason
from jobs.core.retry.policy import Bury
from jobs.core.submission.request import JobRequest
from jobs.db.session import transaction
from jobs.services.lifecycle.claim import BatchRow, claim
from jobs.services.lifecycle.settle import settle
from jobs.services.relay import statements as feed
from jobs.services.submission.submit import submit_job
from jobs.services.submission.submitted import Submitted
from jobs.worker.stages.claimed_batch import ClaimedBatch
from jobs.worker.stages.claimer import Claimer
from jobs.worker.stages.classify import failure_of
from jobs.worker.stages.execute import execute_all
from jobs.worker.stages.settler import verdicts_of
from models_registry import selectors
from models_registry.core.runner import Runner
from models_registry.loaders.builtin import Echo
from models_registry.pool import Loaded
from tests.support.factories import job_id, make_version, make_worker
from tests.support.reuse import owner

MODEL = "secret"
SCHEMA = {"type": "object", "properties": {"text": {"type": "string"}}}
OLD, NEW = ("old", b"o" * 32), ("new", b"n" * 32)


def config(*keys: tuple[str, bytes], **others: Any) -> Any:
    return replace(settings.INFERENCE, payload_keys=keys, **others)


def use(monkeypatch: pytest.MonkeyPatch, *ring: tuple[str, bytes], **others: Any) -> None:
    monkeypatch.setattr(settings, "INFERENCE", config(*ring, **others))


def secret_version(version: str = "1", **fields: Any) -> None:
    selectors.forget()
    make_version(MODEL, version, **({"options": {"encrypt": True}, "input_schema": SCHEMA} | fields))


def submit(value: Any, **fields: Any) -> Submitted:
    return submit_job(owner=owner(), request=JobRequest(model=MODEL, input=value, **fields))


class Pool:
    """Has one runner for every version."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner

    def acquire(self, version: int) -> Loaded:
        return Loaded(self.runner, selectors.info(version))


def run(session: sa.Connection, runner: Runner | None = None, *, attempts_left: bool = False) -> list[UUID]:
    """Run all that is due through the worker's own stages and return which jobs ran."""
    work = claimed(session)
    prepare(work, runner or Echo())
    if work.failure is None:
        execute_all(work)
    verdicts = verdicts_of(work)
    if not attempts_left:
        verdicts = [v if v.after is None else replace(v, after=Bury("a test")) for v in verdicts]
    with transaction(session):
        settle(session, batch=work.id, verdicts=verdicts, ran_s=0.0)
    return [job.job for job in work.jobs]


def claimed(session: sa.Connection) -> ClaimedBatch:
    rooms = dict.fromkeys(range(10), 1_000)
    envelopes = [row.envelope for row in feed.take_fresh(session, MODEL, rooms=rooms, most=1_000)]
    version = envelopes[0].version
    work = ClaimedBatch(job_id(), version, 1, SealReason.IDLE, [])
    row = BatchRow(work.id, make_worker().id, version, 0, "idle", 0.0)
    with transaction(session):
        work.jobs = claim(session, batch=row, envelopes=envelopes)
    work.deliveries = [stand_in(e.size) for e in envelopes]
    return work


def stand_in(size: int) -> Any:
    return SimpleNamespace(envelope=SimpleNamespace(size=size))


def prepare(work: ClaimedBatch, runner: Runner) -> None:
    claimer: Any = Claimer.__new__(Claimer)  # to prepare takes nothing but the pool
    claimer._pool = Pool(runner)
    try:
        claimer.prepare(work)
    except Exception as error:  # noqa: BLE001  # as the pipeline has it
        work.failure = failure_of(error)


def dumped() -> str:
    """Return every value of every table of ours, bytes as text."""
    return "\n".join(_rows())


def _rows() -> Iterator[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE tablename ~ '^jobs_'")
        for (table,) in cursor.fetchall():
            cursor.execute(f'SELECT * FROM "{table}"')
            for row in cursor.fetchall():
                yield " ".join(_text(value) for value in row)


def _text(value: Any) -> str:
    raw = bytes(value) if isinstance(value, bytes | memoryview) else None
    return str(value) if raw is None else raw.decode("latin-1")


def raising(error: Callable[[Any], Exception]) -> Runner:
    """Return a model that fails on each input, with an error that may quote it."""

    class Raising(Echo):
        def run(self, batch: list[Any]) -> list[Any]:
            raise error(batch[0])

    return Raising()
