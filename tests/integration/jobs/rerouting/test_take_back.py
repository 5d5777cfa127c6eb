"""Jobs that wait at a candidate go back to the stable version, as old and as urgent as they were."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa
from django.utils import timezone

from jobs.core.states import State
from jobs.db.session import transaction
from jobs.models import CacheEntry, Event, Job, Outbox
from jobs.services.lifecycle.rerouting.reroute import take_back
from models_registry.models import Rollout
from tests.support.claims import envelope_of
from tests.support.factories import make_jobs
from tests.support.locked import locked
from tests.support.routes import claimed, make_rollout, routed_jobs

AGO = timedelta(minutes=3)


def taken_back(session: sa.Connection, rollout: Rollout, jobs: list[Job]) -> list[Job]:
    with transaction(session):
        back = take_back(
            session, jobs=[job.id for job in jobs], rollout=rollout.id, candidate=rollout.candidate_id,
            stable=rollout.stable_id, actor="tests",
        )  # fmt: skip
    for job in jobs:
        job.refresh_from_db()
    return [job for job in jobs if job.id in back]


@pytest.mark.parametrize("state", [State.QUEUED, State.WAITING])
def test_a_job_that_waits_goes_back_with_its_priority_and_its_age(
    session: sa.Connection, state: State
) -> None:
    rollout = make_rollout()
    jobs = routed_jobs(2, rollout, state=state, priority=7, attempts=int(state is State.WAITING))
    since = timezone.now() - AGO
    Outbox.objects.update(since=since, due=since, retry=state is State.WAITING)
    assert taken_back(session, rollout, jobs) == jobs
    for job in jobs:
        assert (job.state, job.version_id, job.epoch) == (State.QUEUED, rollout.stable_id, 1)
        out = Outbox.objects.get(job=job)
        assert (out.version_id, out.epoch, out.priority, out.retry) == (rollout.stable_id, 1, 7, False)
        assert (out.since, out.due, out.published) == (since, since, 0)
        event = Event.objects.get(job=job)
        assert (event.kind, event.actor, event.epoch) == ("take_back", "tests", 0)
        assert event.detail == {
            "from": rollout.candidate_id, "to": rollout.stable_id, "rollout": rollout.id,
        }  # fmt: skip


def test_a_job_that_an_open_circuit_put_off_is_due_now_and_a_retry_when_it_was(
    session: sa.Connection,
) -> None:
    rollout, later = make_rollout(), timezone.now() + timedelta(minutes=1)
    put_off, retry = routed_jobs(2, rollout)
    Outbox.objects.update(since=timezone.now() - AGO, due=later)
    Outbox.objects.filter(job=retry).update(since=later)
    taken_back(session, rollout, [put_off, retry])
    assert Outbox.objects.get(job=put_off).due <= timezone.now()
    assert Outbox.objects.get(job=retry).due == later


def test_a_published_job_is_due_now_and_its_old_message_claims_nothing(session: sa.Connection) -> None:
    rollout = make_rollout()
    (job,) = routed_jobs(1, rollout, published=2, due=timezone.now() + AGO)
    old = envelope_of(job)
    taken_back(session, rollout, [job])
    out = Outbox.objects.get(job=job)
    assert out.due <= timezone.now()
    assert (out.published, out.published_at) == (0, None)
    assert old.epoch == 0
    job.epoch = 0
    assert claimed(session, [job], rollout.candidate)[1] == []
    job.refresh_from_db()
    assert len(claimed(session, [job], rollout.stable)[1]) == 1


def test_running_ended_and_other_jobs_stay(session: sa.Connection) -> None:
    rollout = make_rollout()
    running, ended, moved = routed_jobs(3, rollout)
    claimed(session, [running], rollout.candidate)
    Job.objects.filter(id=ended.id).update(state=State.CANCELLED, finished_at=timezone.now())
    Job.objects.filter(id=moved.id).update(version=rollout.stable)
    assert taken_back(session, rollout, [running, ended, moved]) == []
    assert not Event.objects.exists()


def test_a_locked_job_is_left_for_the_next_look(db: str, session: sa.Connection) -> None:
    rollout = make_rollout()
    free, held = routed_jobs(2, rollout)
    with locked(db, "jobs_job WHERE id = %s", held.id):
        assert taken_back(session, rollout, [free, held]) == [free]
    assert taken_back(session, rollout, [free, held]) == [held]


def test_an_erased_job_and_one_that_is_gone_are_left(session: sa.Connection) -> None:
    rollout = make_rollout()
    erased, gone = routed_jobs(2, rollout)
    Outbox.objects.filter(job=erased).delete()
    Job.objects.filter(id=erased.id).update(
        state=State.CANCELLED, finished_at=timezone.now(), erased_at=timezone.now()
    )
    jobs = [erased.id, gone.id]
    Outbox.objects.filter(job=gone).delete()
    gone.input.delete()
    Job.objects.filter(id=gone.id).delete()
    with transaction(session):
        assert not take_back(
            session, jobs=jobs, rollout=rollout.id, candidate=rollout.candidate_id,
            stable=rollout.stable_id, actor="tests",
        )  # fmt: skip


def test_the_cache_entry_of_a_leader_is_deleted_and_others_stay(session: sa.Connection) -> None:
    rollout = make_rollout()
    (leader,) = routed_jobs(1, rollout)
    (other,) = make_jobs(1, version=rollout.candidate)
    for key, job in ((b"a" * 32, leader), (b"b" * 32, other)):
        CacheEntry.objects.create(
            key=key, job=job, version=rollout.candidate, ttl_s=60, expires_at=timezone.now()
        )
    taken_back(session, rollout, [leader])
    assert list(CacheEntry.objects.values_list("job", flat=True)) == [other.id]
