"""Claim and settle take one round trip each: one statement that commits, all or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import psycopg
import pytest
import sqlalchemy as sa
from django.utils import timezone

from jobs.core.batching.sealed_batch import SealReason
from jobs.core.failures import Success
from jobs.core.stages import StageTimes
from jobs.core.states import State
from jobs.db.engine import engine
from jobs.db.single_statements import SingleStatements
from jobs.models import Batch, Job, JobResult
from jobs.services.lifecycle.claim import claim
from jobs.services.lifecycle.settle import Verdict
from jobs.services.lifecycle.settle_answers import AnsweredBatch, settle_answers
from jobs.worker.stages.claimed_batch import ClaimedBatch
from jobs.worker.stages.claimer import Claimer
from jobs.worker.stages.persist import try_once
from jobs.worker.stages.settler import Settler
from tests.support import locked as locks
from tests.support.claims import batch_row, envelope_of
from tests.support.factories import make_jobs, make_worker
from tests.support.listening import listening
from tests.support.no_rollouts import NO_ROLLOUTS

IDLE = psycopg.pq.TransactionStatus.IDLE


@pytest.fixture
def statements(db: str) -> Iterator[SingleStatements]:
    assert db
    made = SingleStatements(engine())
    yield made
    made.close()


def claimed(statements: SingleStatements, jobs: list[Job]) -> AnsweredBatch:
    """Claim `jobs` in one statement, and answer each with its place."""
    row = batch_row(worker=make_worker().id)
    with statements.session() as session:
        done = claim(session, batch=row, envelopes=[envelope_of(job) for job in jobs])
        assert isinstance(session, psycopg.Connection)
        assert session.info.transaction_status is IDLE, "committed without another round trip"
    verdicts = [Verdict(job.job, job.epoch, Success(b"%d" % at)) for at, job in enumerate(done)]
    return AnsweredBatch(row.id, StageTimes(ran_s=1.5 + len(jobs)), verdicts)


def store(statements: SingleStatements, *batches: AnsweredBatch) -> dict[Any, State]:
    with statements.session() as session:
        return settle_answers(session, batches)


def test_batches_that_wait_are_stored_in_one_statement_each_in_its_own_row_of_the_ledger(
    statements: SingleStatements, db: str
) -> None:
    first, second = claimed(statements, make_jobs(3)), claimed(statements, make_jobs(1))
    with listening(db) as heard:
        states = store(statements, first, second)
    assert states == {v.job: State.SUCCEEDED for batch in (first, second) for v in batch.verdicts}
    assert sorted(heard) == sorted(f"batch:{batch.batch}" for batch in (first, second))
    rows = Batch.objects.exclude(finished_at=None).in_bulk()
    ledger = {id_: (row.succeeded, row.failed, row.fenced, row.ran_s) for id_, row in rows.items()}
    assert ledger == {first.batch: (3, 0, 0, 4.5), second.batch: (1, 0, 0, 2.5)}
    bodies = dict(JobResult.objects.values_list("job_id", "body"))
    wanted = {v.job: v.outcome.body for b in (first, second) for v in b.verdicts}  # type: ignore[union-attr]
    assert {job: bytes(body) for job, body in bodies.items()} == wanted


def test_nothing_is_stored_where_one_job_is_locked_or_not_this_claim_s_any_more(
    statements: SingleStatements, db: str
) -> None:
    first, second = claimed(statements, make_jobs(2)), claimed(statements, make_jobs(2))
    late = Verdict(first.verdicts[0].job, first.verdicts[0].epoch - 1, Success(b"{}"))
    with locks.locked(db, "jobs_job WHERE id = %s", second.verdicts[1].job):
        assert store(statements, first, second) == {}
    assert store(statements, second, first._replace(verdicts=[late])) == {}
    assert not JobResult.objects.exists()
    assert not Batch.objects.exclude(finished_at=None).exists()
    assert len(store(statements, first, second)) == 4
    assert store(statements, first, second) == {}, "they are stored"


def test_an_answer_after_its_deadline_expires_the_job_and_counts_as_failed(
    statements: SingleStatements,
) -> None:
    batch = claimed(statements, make_jobs(2, deadline=timezone.now() + timedelta(seconds=60)))
    late, timely = (verdict.job for verdict in batch.verdicts)
    Job.objects.filter(id=late).update(deadline=timezone.now())
    assert store(statements, batch) == {late: State.EXPIRED, timely: State.SUCCEEDED}
    row = Batch.objects.get(id=batch.batch)
    assert (row.succeeded, row.failed, row.fenced, row.finished_at is None) == (1, 1, 0, False)


def test_a_locked_job_of_one_batch_does_not_hold_the_other(statements: SingleStatements, db: str) -> None:
    settler = Settler(engine(), lambda: False, node="", expected_s=lambda *_: 0.0, circuits=MagicMock())
    batches = [_ran(claimed(statements, make_jobs(2))) for _ in range(2)]
    held = batches[0].verdicts[0].job
    with locks.locked(db, "jobs_job WHERE id = %s", held):
        assert settler.together(batches) == {}
        answers = [settler.settle(batch) for batch in batches]
    assert [answer and (len(answer.settled), answer.locked) for answer in answers] == [
        (1, {held}),
        (2, set()),
    ]
    assert list(settler.together(batches[:1])) == [batches[0].id]
    assert not Batch.objects.filter(finished_at=None).exists()


def _ran(batch: AnsweredBatch) -> ClaimedBatch:
    made = ClaimedBatch(batch.batch, 1, 1, SealReason.IDLE, [])
    made.verdicts = list(batch.verdicts)
    return made


def test_a_claim_whose_answer_was_lost_is_found_again(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert db

    def lose(statements: SingleStatements, action: Any, **options: Any) -> None:
        try_once(statements, action, **options)

    monkeypatch.setattr("jobs.worker.stages.claimer.try_once", lose)
    row = batch_row()
    claimer = Claimer(engine(), row.worker, MagicMock(), lambda: False, MagicMock(), MagicMock(), NO_ROLLOUTS)
    (job,) = make_jobs(1)
    parcel = SimpleNamespace(received_at=0.0)
    deliveries: list[Any] = [SimpleNamespace(job=job.id, envelope=envelope_of(job), parcel=parcel)]
    done = claimer._claim(ClaimedBatch(row.id, row.version, 1, SealReason.IDLE, deliveries), row, deliveries)
    assert done is not None
    (found,) = done.jobs
    assert (found.job, found.epoch) == (job.id, 1)
    assert Batch.objects.get().members == [job.id]


def test_a_statement_that_finds_its_connection_lost_is_left_to_a_transaction(
    statements: SingleStatements,
) -> None:
    with statements.session() as session:
        assert isinstance(session, psycopg.Connection)
        pid = session.info.backend_pid
    with engine().begin() as other:
        other.execute(sa.text("SELECT pg_terminate_backend(:pid, 10000)"), {"pid": pid})
    jobs = make_jobs(1)
    row = batch_row()
    assert try_once(statements, lambda s: claim(s, batch=row, envelopes=[envelope_of(jobs[0])]),
                    engine=engine()) is None  # fmt: skip
    assert len(claimed(statements, jobs).verdicts) == 1, "the next one has a new connection"
