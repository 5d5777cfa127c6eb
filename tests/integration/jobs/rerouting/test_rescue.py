"""A candidate's failed first attempt is answered by the stable version, and costs the job nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from django.utils import timezone

from jobs.core.failures import Failure, FailureKind
from jobs.core.states import State
from jobs.models import AttemptMessage, CacheEntry, DeadLetter, Event, Follower, Job, Outbox
from jobs.services.lifecycle import settle
from jobs.services.reads.job_timeline import read_timeline
from models_registry.core.routing.decision import Arm
from tests.support.factories import make_job, make_jobs
from tests.support.locked import locked as locked_rows
from tests.support.routes import (
    ANSWER,
    FAULT,
    claimed,
    counts,
    make_rollout,
    route,
    routed_jobs,
    settled,
)

REFUSAL = Failure(FailureKind.INVALID, "bad", "the candidate does not take this")
LOST = Failure(FailureKind.TRANSIENT, "payload_unavailable", "the storage does not respond")


@pytest.mark.parametrize("failure", [FAULT, REFUSAL], ids=["failed", "refused"])
def test_a_failed_first_attempt_goes_to_the_stable_version(session: sa.Connection, failure: Failure) -> None:
    rollout = make_rollout()
    jobs = routed_jobs(2, rollout)
    bad, good = jobs
    row, running = claimed(session, jobs, rollout.candidate)
    changed, locked = settled(session, row, running, {bad.id: failure, good.id: ANSWER})
    assert {change.job: change.state for change in changed} == {
        bad.id: State.QUEUED,
        good.id: State.SUCCEEDED,
    }
    assert not locked
    bad.refresh_from_db()
    assert (bad.version_id, bad.state, bad.attempts, bad.epoch) == (rollout.stable_id, State.QUEUED, 0, 2)
    assert (bad.batch_id, bad.started_at, bad.error_kind, bad.error_code) == (None, None, "", "")
    out = Outbox.objects.get(job=bad)
    assert (out.version_id, out.epoch, out.published, out.retry) == (rollout.stable_id, 2, 0, False)
    assert out.due <= timezone.now()
    assert counts(row.id) == (1, 1, 0, 0, False)
    assert not DeadLetter.objects.exists()


def test_its_event_names_both_versions_and_its_message_is_kept_apart(session: sa.Connection) -> None:
    rollout = make_rollout()
    (job,) = routed_jobs(1, rollout)
    row, running = claimed(session, [job], rollout.candidate)
    settled(session, row, running, FAULT)
    event = Event.objects.get(job=job, kind="rescue")
    assert event.detail == {
        "from": rollout.candidate_id, "to": rollout.stable_id, "rollout": rollout.id, "kind": "internal",
        "code": "boom", "batch": str(row.id), "worker": "gpu-0@tests", "attempt": 1,
    }  # fmt: skip
    assert (event.epoch, event.actor) == (1, "worker")
    assert AttemptMessage.objects.get(event_id=event.pk).message == FAULT.message
    timeline = read_timeline(job.id)
    assert timeline is not None
    assert [(a.outcome, a.code, a.pause) for a in timeline.attempts] == [
        ("rescued", "boom", ""), ("queued", "", "rescued"),
    ]  # fmt: skip


def test_the_stable_version_s_attempt_is_the_first_that_counts(session: sa.Connection) -> None:
    rollout = make_rollout()
    (job,) = routed_jobs(1, rollout)
    row, running = claimed(session, [job], rollout.candidate)
    settled(session, row, running, FAULT)
    job.refresh_from_db()
    again, running = claimed(session, [job], rollout.stable)
    assert [(run.attempts, run.epoch) for run in running] == [(1, 3)]
    settled(session, again, running, FAULT)
    job.refresh_from_db()
    assert (job.state, job.version_id) == (State.DEAD, rollout.stable_id)
    letter = DeadLetter.objects.get(job=job)
    assert [attempt["batch"] for attempt in letter.history] == [str(row.id), str(again.id)]


@pytest.mark.parametrize("arm", [Arm.STABLE, Arm.BASELINE])
def test_jobs_of_the_stable_version_are_not_rescued(session: sa.Connection, arm: Arm) -> None:
    rollout = make_rollout()
    (job,) = routed_jobs(1, rollout, arm)
    row, running = claimed(session, [job], rollout.stable)
    settled(session, row, running, FAULT)
    job.refresh_from_db()
    assert job.state == State.DEAD


def test_a_job_that_named_the_candidate_is_not_rescued(session: sa.Connection) -> None:
    rollout = make_rollout()
    pinned, routed = make_job(version=rollout.candidate), routed_jobs(1, rollout)[0]
    row, running = claimed(session, [pinned, routed], rollout.candidate)
    settled(session, row, running, FAULT)
    rows = Job.objects.in_bulk([pinned.id, routed.id])
    assert (rows[pinned.id].state, rows[pinned.id].version_id) == (State.DEAD, rollout.candidate_id)
    assert (rows[routed.id].state, rows[routed.id].version_id) == (State.QUEUED, rollout.stable_id)
    assert counts(row.id) == (0, 2, 0, 0, False)


def test_what_the_platform_could_not_do_is_not_rescued(session: sa.Connection) -> None:
    rollout = make_rollout()
    (job,) = routed_jobs(1, rollout)
    row, running = claimed(session, [job], rollout.candidate)
    settled(session, row, running, LOST)
    job.refresh_from_db()
    assert (job.state, job.version_id) == (State.DEAD, rollout.candidate_id)


@pytest.mark.parametrize("why", ["second attempt", "no rescue in the plan", "promoted", "rescued before"])
def test_nothing_else_is_rescued(session: sa.Connection, why: str) -> None:
    rollout = make_rollout(plan={"rescue": why != "no rescue in the plan"})
    attempts = 1 if why == "second attempt" else 0
    (job,) = routed_jobs(1, rollout, attempts=attempts, epoch=3 if why == "rescued before" else 0)
    if why == "rescued before":
        Event.objects.create(job=job, kind="rescue", epoch=1)
    row, running = claimed(session, [job], rollout.candidate)
    if why == "promoted":
        type(rollout).objects.update(state="done", ended_at=timezone.now())
    settled(session, row, running, FAULT)
    job.refresh_from_db()
    assert (job.state, job.version_id) == (State.DEAD, rollout.candidate_id)


def test_a_job_that_a_worker_gave_back_is_rescued_once(session: sa.Connection) -> None:
    rollout = make_rollout()
    (job,) = routed_jobs(1, rollout, epoch=2)
    row, running = claimed(session, [job], rollout.candidate)
    settled(session, row, running, FAULT)
    job.refresh_from_db()
    assert (job.state, job.version_id) == (State.QUEUED, rollout.stable_id)


def test_a_roll_out_that_went_back_still_rescues_what_ran(session: sa.Connection) -> None:
    rollout = make_rollout()
    (job,) = routed_jobs(1, rollout)
    row, running = claimed(session, [job], rollout.candidate)
    type(rollout).objects.update(state="rolled_back", share_ppm=0, ended_at=timezone.now())
    settled(session, row, running, FAULT)
    job.refresh_from_db()
    assert (job.state, job.version_id) == (State.QUEUED, rollout.stable_id)


def test_a_job_whose_deadline_passed_expires(session: sa.Connection) -> None:
    rollout = make_rollout()
    (job,) = routed_jobs(1, rollout)
    row, running = claimed(session, [job], rollout.candidate)
    Job.objects.update(deadline=timezone.now() - timedelta(seconds=1))
    settled(session, row, running, FAULT)
    job.refresh_from_db()
    assert (job.state, job.version_id) == (State.EXPIRED, rollout.candidate_id)
    assert not Event.objects.filter(kind="rescue").exists()


def test_a_job_that_was_cancelled_meanwhile_stays_so(session: sa.Connection) -> None:
    rollout = make_rollout()
    (job,) = routed_jobs(1, rollout)
    row, running = claimed(session, [job], rollout.candidate)
    Job.objects.update(state=State.CANCELLED, epoch=2, finished_at=timezone.now())
    changed, locked = settled(session, row, running, FAULT)
    assert (changed, locked) == ([], set())
    assert counts(row.id) == (0, 0, 0, 1, False)
    assert not Event.objects.filter(kind="rescue").exists()


def test_a_locked_job_is_rescued_later_and_not_buried_now(db: str, session: sa.Connection) -> None:
    rollout = make_rollout()
    free, held = routed_jobs(2, rollout)
    row, running = claimed(session, [free, held], rollout.candidate)
    with locked_rows(db, "jobs_job WHERE id = %s", held.id):
        changed, left = settled(session, row, running, FAULT)
    assert ([change.job for change in changed], left) == ([free.id], {held.id})
    assert counts(row.id) == (0, 1, 0, 0, True)
    settled(session, row, [run for run in running if run.job == held.id], FAULT)
    held.refresh_from_db()
    assert (held.state, held.version_id) == (State.QUEUED, rollout.stable_id)
    assert counts(row.id) == (0, 2, 0, 0, False)


def test_a_lock_that_ends_between_rescue_and_settle_costs_no_job_its_rescue(
    db: str, session: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollout = make_rollout()
    (job,) = routed_jobs(1, rollout)
    row, running = claimed(session, [job], rollout.candidate)
    with psycopg.connect(db) as console:
        console.execute("SELECT FROM jobs_job WHERE id = %s FOR UPDATE", [job.id])

        def store(*words: Any, **names: Any) -> Any:
            console.rollback()
            return settle.store(*words, **names)

        monkeypatch.setattr("jobs.services.lifecycle.rerouting.settle_watched.store", store)
        assert settled(session, row, running, FAULT) == ([], {job.id})
        monkeypatch.undo()
    settled(session, row, running, FAULT)
    job.refresh_from_db()
    assert (job.state, job.version_id) == (State.QUEUED, rollout.stable_id)


def test_followers_go_with_a_rescued_leader_and_its_cache_entry_is_deleted(session: sa.Connection) -> None:
    rollout = make_rollout()
    (leader,) = routed_jobs(1, rollout)
    along, pinned = make_jobs(2, version=rollout.candidate)
    route([along], rollout)
    for follower in (along, pinned):
        Outbox.objects.filter(job=follower).delete()
        Follower.objects.create(job=follower, leader=leader.id, key=b"k" * 32, priority=4)
    CacheEntry.objects.create(
        key=b"k" * 32, job=leader, version=rollout.candidate, ttl_s=60, expires_at=timezone.now()
    )
    row, running = claimed(session, [leader], rollout.candidate)
    settled(session, row, running, FAULT)
    assert not CacheEntry.objects.exists()
    follows = Follower.objects.get(job=along)
    assert follows.leader == leader.id
    assert bytes(follows.key) != b"k" * 32, "its key names the candidate"
    along.refresh_from_db()
    assert (along.version_id, along.epoch, along.state) == (rollout.stable_id, 0, State.QUEUED)
    event = Event.objects.get(job=along, kind="rescue")
    assert (event.detail["from"], event.detail["to"]) == (rollout.candidate_id, rollout.stable_id)
    assert event.detail["leader"] == str(leader.id)
    pinned.refresh_from_db()
    assert pinned.version_id == rollout.candidate_id, "it named the version"
    assert Follower.objects.get(job=pinned).leader not in {leader.id, along.id}
