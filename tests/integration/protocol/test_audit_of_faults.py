"""The audit and the checker of the fault suite find protocol faults, planted in the real statements."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
import sqlalchemy as sa

from jobs.core.failures import Failure, FailureKind, Success
from jobs.core.retry.policy import RetryAfter
from jobs.db.leases import SWEEPER, HeldLeases
from jobs.db.statement import Statement
from jobs.models import Job, Outbox
from jobs.services.lifecycle import reap as sweep
from jobs.services.lifecycle import settle as settling
from jobs.services.lifecycle import worker_row
from jobs.services.lifecycle.claim import BatchRow, claim
from jobs.services.lifecycle.settle import Verdict, settle
from tests.chaos import audit
from tests.chaos.checker import Dump, Row, gather, judge
from tests.support.claims import batch_row, envelope_of
from tests.support.factories import make_job

RETRY = Failure(FailureKind.TRANSIENT, "flaky", "not yet")


@pytest.fixture
def audited(session: sa.Connection, db: str) -> Iterator[str]:
    HeldLeases(session, SWEEPER)  # whoever takes a job from its batch in these tests is the sweeper
    audit.install(db)
    yield db
    audit.uninstall(db)


def found(database: str) -> set[str]:
    with psycopg.connect(database) as connection:
        rows = {job: Row(*columns) for job, *columns in connection.execute(audit.ROWS)}
        ledger = {batch: (counted, jobs) for batch, counted, jobs in connection.execute(audit.LEDGER)}
    verdict = judge(gather(audit.history(database)), Dump(rows, ledger=ledger))
    return {violation.rule for violation in verdict.violations}


def claimed(session: sa.Connection, job: Job, epoch: int) -> BatchRow:
    group = Outbox.objects.get(job=job).isolation_group
    row = batch_row(isolation_group=group)
    claim(session, batch=row, envelopes=[envelope_of(job, epoch=epoch, isolation_group=group)])
    return row


def run_twice(session: sa.Connection) -> tuple[Job, BatchRow, BatchRow]:
    """Return a job that was taken from a dead worker and runs again, with both batches."""
    job = make_job()
    first = claimed(session, job, 0)
    worker_row.end(session, first.worker, "failed")
    sweep.reap(session, first.id)
    return job, first, claimed(session, job, 2)


def settled(session: sa.Connection, batch: UUID, job: Job, epoch: int, outcome: Any = None) -> None:
    after = RetryAfter(0.0) if outcome else None
    verdict = Verdict(job.id, epoch, outcome or Success(b"{}"), after, attempt=1)
    settle(session, batch=batch, verdicts=[verdict])


def test_a_sound_history_has_no_violation(session: sa.Connection, audited: str) -> None:
    job, first, second = run_twice(session)
    settled(session, first.id, job, 1)
    settled(session, second.id, job, 3, RETRY)
    third = claimed(session, job, 3)
    settled(session, third.id, job, 4)
    assert found(audited) == set()


@pytest.fixture
def without_its_fence(monkeypatch: pytest.MonkeyPatch) -> None:
    text = settling._SETTLE.sql.replace("JOIN verdict USING (id, epoch, batch_id)", "JOIN verdict USING (id)")
    assert text != settling._SETTLE.sql
    monkeypatch.setattr(settling, "_SETTLE", Statement(text, settling.SettledRow))


@pytest.mark.usefixtures("without_its_fence")
def test_a_settle_without_its_fence_is_found(session: sa.Connection, audited: str) -> None:
    job, first, _ = run_twice(session)
    settled(session, first.id, job, 1)
    assert found(audited) == {"verdict", "ledger"}


@pytest.mark.usefixtures("without_its_fence")
def test_a_failure_settled_without_its_fence_is_found(session: sa.Connection, audited: str) -> None:
    job, first, _ = run_twice(session)
    settled(session, first.id, job, 1, RETRY)
    assert "verdict" in found(audited)


def test_a_sweeper_that_takes_a_batch_from_a_live_worker_is_found(
    session: sa.Connection, audited: str
) -> None:
    job = make_job()
    live = claimed(session, job, 0)
    worker_row.beat(session, live.worker, lambda: [live.id])
    sweep.reap(session, live.id)
    assert "reap" in found(audited)


@pytest.mark.parametrize(("silent_s", "rules"), [(2.5, {"reap", "stuck"}), (20.0, {"stuck"})])
def test_a_sweeper_that_is_too_hasty_is_found(
    session: sa.Connection, audited: str, silent_s: float, rules: set[str]
) -> None:
    job = make_job()
    silent = claimed(session, job, 0)
    query = sa.text("UPDATE jobs_worker SET heartbeat_at = now() - make_interval(secs => :s) WHERE id = :id")
    session.execute(query, {"s": silent_s, "id": silent.worker})
    sweep.end_silent_workers(session, silent_s / 2)
    sweep.reap(session, silent.id)
    worker_row.beat(session, silent.worker, list)  # it wakes, and its row shows no end any more
    assert found(audited) == rules


def test_a_batch_that_its_worker_does_not_name_may_be_taken(session: sa.Connection, audited: str) -> None:
    job = make_job()
    lost = claimed(session, job, 0)
    worker_row.beat(session, lost.worker, list)
    sweep.reap(session, lost.id)
    assert found(audited) == {"stuck"}
