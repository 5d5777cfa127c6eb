"""A worker in the test's own thread: it claims all that is due, runs it and settles it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from jobs.core.batching.sealed_batch import SealReason
from jobs.core.failures import Failure, FailureKind, Outcome, Success
from jobs.core.messages.envelope import Envelope
from jobs.core.retry.policy import Bury
from jobs.db.session import transaction
from jobs.models import Outbox
from jobs.services.lifecycle.claim import BatchRow, claim
from jobs.services.lifecycle.settle import Verdict, settle
from jobs.services.relay import statements as feed
from jobs.worker.stages.claimed_batch import ClaimedBatch
from jobs.worker.stages.claimer import Claimer
from jobs.worker.stages.classify import failure_of
from jobs.worker.stages.execute import execute_all
from jobs.worker.stages.settler import verdicts_of
from models_registry import selectors
from models_registry.core.runner import Runner
from models_registry.loaders.builtin import Echo
from models_registry.models import ModelVersion
from models_registry.pool import Loaded
from tests.support.factories import job_id, make_version, make_worker

MOST = 1_000
ANSWER = Success(b'{"answer":42}')
BAD = Failure(FailureKind.INVALID, "bad", "this one never succeeds")


def settle_due(session: sa.Connection, outcome: Outcome = ANSWER, *, reason: str = "") -> list[UUID]:
    """Settle all that is due with one outcome, failures for good; return the jobs' ids."""
    batch = claim_due(session)
    after = None if isinstance(outcome, Success) else Bury(reason)
    _settle(session, batch, [Verdict(job.job, job.epoch, outcome, after) for job in batch.jobs])
    return [job.job for job in batch.jobs]


def run(session: sa.Connection, runner: Runner | None = None, *, attempts_left: bool = False) -> list[UUID]:
    """Run all that is due through the worker's own stages; return the jobs' ids.

    Failures are for good, unless there are `attempts_left`.
    """
    batch = claim_due(session)
    prepare(batch, runner or Echo())
    if batch.failure is None:
        execute_all(batch)
    verdicts = verdicts_of(batch)
    if not attempts_left:
        verdicts = [
            v if v.after is None else msgspec.structs.replace(v, after=Bury("a test")) for v in verdicts
        ]
    _settle(session, batch, verdicts)
    return [job.job for job in batch.jobs]


def claim_due(session: sa.Connection) -> ClaimedBatch:
    """Claim all that is due, of whatever model, as one batch of the first job's version."""
    envelopes = list(_due(session))
    version = ModelVersion.objects.get(id=envelopes[0].version) if envelopes else make_version()
    batch = ClaimedBatch(job_id(), version.id, 1, SealReason.IDLE, [])
    row = BatchRow(batch.id, make_worker().id, version.id, version.model.name, 0, "idle", 0.0)
    with transaction(session):
        batch.jobs = claim(session, batch=row, envelopes=envelopes)
    batch.deliveries = [_delivery(envelope.size) for envelope in envelopes]
    return batch


def _due(session: sa.Connection) -> Iterator[Envelope]:
    rooms = dict.fromkeys(range(10), MOST)
    for model in Outbox.objects.values_list("model", flat=True).distinct():
        for row in feed.take_fresh(session, model, rooms=rooms, most=MOST):
            yield row.envelope


def _delivery(size: int) -> Any:
    return SimpleNamespace(envelope=SimpleNamespace(size=size), units=max(size, 1))


def _settle(session: sa.Connection, batch: ClaimedBatch, verdicts: Sequence[Verdict]) -> None:
    with transaction(session):
        settle(session, batch=batch.id, verdicts=verdicts)


def prepare(batch: ClaimedBatch, runner: Runner) -> None:
    """Read and collate a batch's inputs, and set its failure if that fails."""
    claimer: Any = Claimer.__new__(Claimer)  # its `prepare` uses nothing else
    claimer._stopping = lambda: False
    batch.loaded = Loaded(runner, selectors.info(int(str(batch.key))))
    try:
        claimer.prepare(batch)
    except Exception as error:  # noqa: BLE001  # as the pipeline has it
        batch.failure = failure_of(error)


def raising(error: Callable[[Any], Exception]) -> Runner:
    """Return a model that fails on each input, with an error that may quote it."""

    class Raising(Echo):
        def run(self, batch: list[Any]) -> list[Any]:
            raise error(batch[0])

    return Raising()


def finish(session: sa.Connection, batch: ClaimedBatch, runner: Runner | None = None) -> None:
    """Run a claimed batch through the worker's own stages; failures are for good."""
    prepare(batch, runner or Echo())
    if batch.failure is None:
        execute_all(batch)
    verdicts = [
        v if v.after is None else msgspec.structs.replace(v, after=Bury("a test")) for v in verdicts_of(batch)
    ]
    _settle(session, batch, verdicts)
