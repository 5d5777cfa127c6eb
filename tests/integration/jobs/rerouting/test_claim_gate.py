"""What an unproven candidate claims is bounded by its budget, exactly, and by one worker at a time."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from django.utils import timezone

from jobs.core.states import State
from jobs.db.engine import engine
from jobs.db.session import transaction
from jobs.models import Batch, Event, Job, Outbox
from jobs.services.lifecycle.rerouting.claim_gate import (
    BUSY_S,
    STOPPED_S,
    GatedClaim,
    claim_through_gate,
)
from models_registry.models import Rollout
from tests.support.claims import batch_row, envelope_of
from tests.support.factories import make_job, make_worker
from tests.support.locked import locked
from tests.support.routes import make_rollout, routed_jobs

THREADS = 8


def gated(
    connection: sa.Connection, rollout: Rollout, jobs: Sequence[Job], worker: UUID | None = None
) -> GatedClaim:
    return claim_through_gate(
        connection, batch=batch_row(rollout.candidate, worker), envelopes=[envelope_of(job) for job in jobs],
        buffered_s=[0.0] * len(jobs), rollouts=[rollout.id],
    )  # fmt: skip


def in_one(
    session: sa.Connection, rollout: Rollout, jobs: Sequence[Job], worker: UUID | None = None
) -> GatedClaim:
    with transaction(session):
        return gated(session, rollout, jobs, worker)


def met(rollout: Rollout) -> int:
    return Rollout.objects.get(id=rollout.id).met


def test_a_claim_is_cut_to_what_is_left_of_the_budget(session: sa.Connection) -> None:
    rollout = make_rollout(budget=5, met=2)
    jobs = routed_jobs(4, rollout)
    done = in_one(session, rollout, jobs)
    assert {job.job for job in done.jobs} == {job.id for job in jobs[:3]}, "the first of the batch"
    assert dict(done.held) == {STOPPED_S: [jobs[3].id]}
    assert met(rollout) == 5
    assert Job.objects.get(id=jobs[3].id).state == State.QUEUED


def test_eight_workers_that_claim_at_once_meet_the_budget_exactly(session: sa.Connection) -> None:
    rollout = make_rollout(budget=30)
    jobs = routed_jobs(80, rollout)
    worker = make_worker().id  # one, so that none is refused because another one is at work

    def take(part: Sequence[Job]) -> int:
        with engine().begin() as connection:
            return len(gated(connection, rollout, part, worker).jobs)

    parts = [jobs[at : at + 5] for at in range(0, 80, 5)]
    with ThreadPoolExecutor(THREADS) as threads:
        taken = sum(threads.map(take, parts))
    assert (taken, met(rollout)) == (30, 30)
    assert Job.objects.filter(state=State.RUNNING).count() == 30


def test_one_worker_at_a_time_runs_an_unproven_candidate(session: sa.Connection) -> None:
    rollout = make_rollout()
    first, second, third = routed_jobs(3, rollout)
    worker = make_worker().id
    assert in_one(session, rollout, [first], worker).jobs
    assert dict(in_one(session, rollout, [second]).held) == {BUSY_S: [second.id]}
    assert in_one(session, rollout, [third], worker).jobs, "it may have several batches"
    Batch.objects.update(finished_at=timezone.now())
    assert in_one(session, rollout, [second]).jobs
    assert met(rollout) == 3


def test_two_workers_that_claim_at_once_are_one_after_the_other(session: sa.Connection) -> None:
    rollout = make_rollout()
    jobs = routed_jobs(THREADS, rollout)
    workers = [make_worker(f"gpu-{at}@tests").id for at in range(THREADS)]

    def take(pair: tuple[Job, UUID]) -> int:
        with engine().begin() as connection:
            return len(gated(connection, rollout, [pair[0]], pair[1]).jobs)

    with ThreadPoolExecutor(THREADS) as threads:
        taken = list(threads.map(take, zip(jobs, workers, strict=True)))
    assert (sum(taken), met(rollout)) == (1, 1)


@pytest.mark.parametrize(
    "fields",
    [{"share_ppm": 0}, {"state": "held", "share_ppm": 0}, {"state": "gating"}],
    ids=["share 0", "held", "not begun"],
)
def test_a_candidate_without_a_share_claims_nothing(
    session: sa.Connection, fields: dict[str, object]
) -> None:
    rollout = make_rollout()
    Rollout.objects.update(**fields)
    jobs = routed_jobs(2, rollout)
    done = in_one(session, rollout, jobs)
    assert (done.jobs, dict(done.held)) == ([], {STOPPED_S: [job.id for job in jobs]})
    assert met(rollout) == 0


def test_a_hold_that_keeps_the_share_lets_claims_through(session: sa.Connection) -> None:
    rollout = make_rollout(state="held", hold="suspicious")
    assert in_one(session, rollout, routed_jobs(1, rollout)).jobs


@pytest.mark.parametrize("fields", [{"proven": True}, {"state": "done"}], ids=["proven", "promoted"])
def test_a_proven_candidate_claims_as_any_version(session: sa.Connection, fields: dict[str, object]) -> None:
    rollout = make_rollout(budget=1)
    Rollout.objects.update(**fields)
    other, *jobs = routed_jobs(3, rollout)
    in_one(session, rollout, [other], make_worker().id)
    assert len(in_one(session, rollout, jobs).jobs) == 2
    assert met(rollout) == 0


def test_jobs_that_named_the_version_pass_and_are_not_counted(session: sa.Connection) -> None:
    rollout = make_rollout(budget=1)
    pinned, jobs = make_job(version=rollout.candidate), routed_jobs(2, rollout)
    done = in_one(session, rollout, [pinned, *jobs])
    assert {job.job for job in done.jobs} == {pinned.id, jobs[0].id}
    assert met(rollout) == 1
    Rollout.objects.update(share_ppm=0)
    again = make_job(version=rollout.candidate)
    assert in_one(session, rollout, [again]).jobs


def test_a_pinned_batch_elsewhere_is_not_in_the_way(session: sa.Connection) -> None:
    rollout = make_rollout()
    in_one(session, rollout, [make_job(version=rollout.candidate)])
    assert in_one(session, rollout, routed_jobs(1, rollout)).jobs


@pytest.mark.parametrize("state", ["rolled_back", "cancelled"])
def test_a_late_job_of_a_roll_out_that_went_back_goes_to_the_stable_version(
    session: sa.Connection, state: str
) -> None:
    rollout = make_rollout(state=state, ended_at=timezone.now())
    jobs = routed_jobs(2, rollout, published=1)
    done = in_one(session, rollout, jobs)
    assert (done.jobs, done.taken_back) == ([], sorted(job.id for job in jobs))
    assert set(Outbox.objects.values_list("version", "published")) == {(rollout.stable_id, 0)}
    assert Event.objects.filter(kind="take_back", actor="worker").count() == 2


def test_nothing_waits_for_a_row_that_another_transaction_has_locked(db: str, session: sa.Connection) -> None:
    rollout = make_rollout()
    held, free = routed_jobs(2, rollout)
    with locked(db, "jobs_outbox WHERE job_id = %s", held.id):
        done = in_one(session, rollout, [held, free])
    assert [job.job for job in done.jobs] == [free.id]
    assert met(rollout) == 1


def test_a_claim_that_is_rolled_back_has_met_nothing(session: sa.Connection) -> None:
    rollout = make_rollout()
    jobs = routed_jobs(2, rollout)
    with engine().connect() as connection, connection.begin() as claims:
        assert gated(connection, rollout, jobs).jobs
        claims.rollback()
    assert met(rollout) == 0
    assert set(Job.objects.values_list("state", flat=True)) == {State.QUEUED}


def test_its_commit_is_waited_for(session: sa.Connection) -> None:
    rollout = make_rollout()
    with transaction(session):
        assert gated(session, rollout, routed_jobs(1, rollout), uuid4()).jobs
        assert session.exec_driver_sql("SHOW synchronous_commit").scalar_one() == "on"
