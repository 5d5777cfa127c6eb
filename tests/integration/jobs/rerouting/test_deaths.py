"""A worker that dies with a candidate's jobs: they go to the stable version, apart, and the share is 0."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import pytest
import sqlalchemy as sa
from django.utils import timezone

from jobs.core.states import State
from jobs.db.session import transaction
from jobs.models import AttemptMessage, Batch, Event, Job, Outbox, Tally, Worker
from jobs.services.lifecycle.reap import Reaped, reap
from jobs.services.reads.job_timeline import read_timeline
from models_registry.models import Rollout
from tests.support.factories import make_batch, make_job, make_worker
from tests.support.locked import locked
from tests.support.routes import claimed, counts, make_rollout, routed_jobs

PLACES = ("state", "version", "epoch", "attempts")


def died(session: sa.Connection, rollout: Rollout, *batches: Sequence[Job]) -> list[UUID]:
    """Claim batches at the candidate, and end their worker."""
    worker = make_worker(f"gpu-{Worker.objects.count()}@tests")
    rows = [claimed(session, jobs, rollout.candidate, worker.id)[0] for jobs in batches]
    Worker.objects.filter(id=worker.id).update(ended_at=timezone.now(), end_reason="silent")
    return [row.id for row in rows]


def reaped(session: sa.Connection, batch: UUID) -> Reaped:
    with transaction(session):
        return reap(session, batch)


def places(jobs: Sequence[Job]) -> set[tuple[object, ...]]:
    return set(Job.objects.filter(id__in=[job.id for job in jobs]).values_list(*PLACES))


def test_its_jobs_go_to_the_stable_version_apart_and_uncharged(session: sa.Connection) -> None:
    rollout = make_rollout()
    jobs = routed_jobs(4, rollout)
    (batch,) = died(session, rollout, jobs)
    done = reaped(session, batch)
    assert (done.queued, done.dead, done.blamed) == (4, (), None)
    assert places(jobs) == {(State.QUEUED, rollout.stable_id, 2, 0)}
    groups = sorted(Outbox.objects.values_list("isolation_group", flat=True))
    assert groups[0] > 0
    assert len(set(groups)) == 2, "in halves, as after any death"
    assert counts(batch) == (0, 0, 4, 0, False)
    events = Event.objects.filter(kind="rescue")
    assert {event.actor for event in events} == {"sweeper"}
    assert {(e.detail["from"], e.detail["to"], e.detail["code"]) for e in events} == {
        (rollout.candidate_id, rollout.stable_id, "worker_died")
    }
    assert not AttemptMessage.objects.exists()
    timeline = read_timeline(jobs[0].id)
    assert timeline is not None
    assert [attempt.outcome for attempt in timeline.attempts] == ["worker died", "queued"]


def test_the_roll_out_is_held_at_share_0_and_the_death_is_counted(session: sa.Connection) -> None:
    rollout = make_rollout()
    (batch,) = died(session, rollout, routed_jobs(2, rollout))
    reaped(session, batch)
    rollout.refresh_from_db()
    assert (rollout.state, rollout.hold, rollout.share_ppm, rollout.deaths) == ("held", "worker_death", 0, 1)
    tally = Tally.objects.get()
    assert (tally.rollout, tally.arm, tally.deaths, tally.keys) == (rollout.id, "candidate", 1, [])


def test_a_worker_with_several_batches_died_once(db: str, session: sa.Connection) -> None:
    rollout = make_rollout()
    first, second = routed_jobs(2, rollout), routed_jobs(2, rollout)
    batches = died(session, rollout, first, second)
    reaped(session, batches[0])
    assert Rollout.objects.get().share_ppm == 0, "at once"
    with locked(db, "jobs_job WHERE id = %s", second[0].id):
        reaped(session, batches[1])
        assert Rollout.objects.get().deaths == 0
    reaped(session, batches[1])
    reaped(session, batches[1])
    assert Rollout.objects.get().deaths == Tally.objects.count() == 1
    assert places([*first, *second]) == {(State.QUEUED, rollout.stable_id, 2, 0)}


def test_a_second_death_is_counted_and_a_hold_of_a_person_stays(session: sa.Connection) -> None:
    rollout = make_rollout()
    batches = [
        *died(session, rollout, routed_jobs(1, rollout)),
        *died(session, rollout, routed_jobs(1, rollout)),
    ]
    Rollout.objects.update(state="held", hold="paused", share_ppm=0)
    for batch in batches:
        reaped(session, batch)
    rollout.refresh_from_db()
    assert (rollout.deaths, rollout.state, rollout.hold) == (2, "held", "paused")


@pytest.mark.parametrize("state", ["running", "held", "baking", "rolled_back", "cancelled"])
def test_whatever_the_roll_out_has_become_the_jobs_go_to_the_stable_version(
    session: sa.Connection, state: str
) -> None:
    rollout = make_rollout()
    jobs = routed_jobs(1, rollout)
    (batch,) = died(session, rollout, jobs)
    ended = timezone.now() if state in {"rolled_back", "cancelled"} else None
    Rollout.objects.update(state=state, ended_at=ended)
    reaped(session, batch)
    assert places(jobs) == {(State.QUEUED, rollout.stable_id, 2, 0)}
    assert Rollout.objects.get().state == (state if ended else "held")
    assert Tally.objects.exists() is (ended is None)


def test_jobs_that_named_the_version_are_bisected_on_it(session: sa.Connection) -> None:
    rollout = make_rollout()
    pinned, routed = make_job(version=rollout.candidate), routed_jobs(1, rollout)
    (batch,) = died(session, rollout, [pinned, *routed])
    assert reaped(session, batch).queued == 2
    assert places([pinned]) == {(State.QUEUED, rollout.candidate_id, 2, 0)}
    assert places(routed) == {(State.QUEUED, rollout.stable_id, 2, 0)}


def test_if_the_stable_version_s_worker_dies_too_quarantine_goes_on(session: sa.Connection) -> None:
    rollout = make_rollout()
    (job,) = routed_jobs(1, rollout)
    (batch,) = died(session, rollout, [job])
    reaped(session, batch)
    worker = make_worker("other@tests")
    group = Outbox.objects.get(job=job).isolation_group
    again = make_batch(worker, rollout.stable, [job], isolation_group=group)
    Worker.objects.filter(id=worker.id).update(ended_at=timezone.now())
    Job.objects.filter(id=job.id).update(max_attempts=1)
    done = reaped(session, again.id)
    assert [dead.id for dead in done.dead] == [job.id]
    assert (Rollout.objects.get().deaths, Job.objects.get().version_id) == (1, rollout.stable_id)


def test_a_worker_that_lives_and_lost_the_batch_has_not_died(session: sa.Connection) -> None:
    rollout = make_rollout()
    jobs = routed_jobs(2, rollout)
    row, _ = claimed(session, jobs, rollout.candidate)
    reaped(session, row.id)
    assert places(jobs) == {(State.QUEUED, rollout.candidate_id, 2, 0)}
    assert (Rollout.objects.get().deaths, Rollout.objects.get().state) == (0, "running")
    assert Batch.objects.get().finished_at is not None
