"""The ends of followers, case by case on the real statements.

The storm is in tests/integration/protocol/test_sharing_storm.py.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from threading import Event
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from django.utils import timezone

from jobs.core.failures import Failure, FailureKind
from jobs.core.retry.policy import TOO_LATE
from jobs.db import leases, statement
from jobs.db.leases import HeldLeases
from jobs.db.session import open_session, transaction
from jobs.models import CacheEntry, Follower, Job, JobResult, Outbox
from jobs.models import DeadLetter as Letter
from jobs.services.dead_letters.edit import replay_edited
from jobs.services.lifecycle.cancel import cancel_job
from jobs.services.lifecycle.release import release
from jobs.services.lifecycle.replay import replay_job
from jobs.services.lifecycle.settle import Verdict, settle
from jobs.services.lifecycle.sweeper import Rescuer, Swept
from jobs.services.lifecycle.unshare import unshare
from jobs.services.reuse import cache, settle_followers
from jobs.services.reuse.follower_settler import FollowerSettler
from jobs.services.reuse.settle_followers import Landed
from jobs.services.submission.submitted import Submitted
from tests.support.listening import listening
from tests.support.locked import locked
from tests.support.reuse import followed, shared_version, states, submit
from tests.support.threads import in_thread
from tests.support.wait import wait_until
from tests.support.worker import ANSWER, BAD, claim_due, settle_due

GONE = timedelta(minutes=5)


@pytest.fixture
def session(db: str) -> Iterator[sa.Connection]:
    shared_version()
    with open_session() as session:
        yield session


@pytest.fixture
def answerer() -> FollowerSettler:
    return FollowerSettler(stop=Event())


def expired(job: Submitted) -> None:
    Job.objects.filter(id=job.id).update(deadline=timezone.now() - GONE)
    Outbox.objects.filter(job_id=job.id).update(deadline=timezone.now() - GONE)
    Follower.objects.filter(job_id=job.id).update(deadline=timezone.now() - GONE)
    with open_session() as session:
        assert Rescuer(stop=Event()).sweep(session) == Swept(reaped=0, expired=1)


def cancelled(job: Submitted) -> None:
    cancel_job(job_id=job.id, actor="test")


def deleted(job: Submitted) -> None:
    Job.objects.filter(id=job.id).delete()


def too_late(job: Submitted) -> None:
    failure = Failure(FailureKind.TRANSIENT, "busy", "not yet")
    with open_session() as session:
        assert settle_due(session, failure, reason=f"{TOO_LATE}: 0 s are left") == [job.id]


def test_each_follower_gets_a_result_of_its_own_that_names_its_source(
    session: sa.Connection, answerer: FollowerSettler, db: str
) -> None:
    jobs = [submit() for _ in range(4)]
    assert settle_due(session) == [jobs[0].id]
    assert states(*jobs) == ["succeeded", *["queued"] * 3]
    with listening(db) as heard:
        answerer.step(session, [f"job:{jobs[0].id}"])
    assert states(*jobs) == ["succeeded"] * 4
    rows = {row.job_id: row for row in JobResult.objects.all()}
    assert {bytes(row.body) for row in rows.values()} == {ANSWER.body}
    assert [rows[job.id].source for job in jobs] == [None, *[jobs[0].id] * 3]
    assert sorted(heard) == sorted(f"job:{job.id}" for job in jobs[1:])
    assert not Follower.objects.exists()
    assert set(Job.objects.values_list("epoch", "attempts")) == {(1, 1), (0, 0)}


def test_a_batch_notification_settles_the_followers_of_its_members(
    session: sa.Connection, answerer: FollowerSettler
) -> None:
    leader, follower, other = submit(), submit(), submit({"text": "b"})
    settle_due(session)
    batch = Job.objects.get(id=leader.id).batch_id
    answerer._look_at = float("inf")
    answerer.step(session, [f"batch:{batch}"])
    assert states(leader, follower, other) == ["succeeded"] * 3


def test_many_followers_are_settled_in_bounded_chunks_and_another_process_can_finish(
    session: sa.Connection, answerer: FollowerSettler
) -> None:
    jobs = [submit() for _ in range(8)]
    settle_due(session)
    with transaction(session):
        assert settle_followers.land(session, jobs[0].id, most=3) == Landed(looked_at=3, succeeded=3)
    # Here the process dies; another, which got no notification, goes on.
    assert Follower.objects.count() == 4
    answerer.step(session, [])
    assert set(states(*jobs)) == {"succeeded"}
    assert JobResult.objects.count() == 8


def test_a_follower_whose_row_is_locked_keeps_no_other_waiting(
    session: sa.Connection, answerer: FollowerSettler, db: str
) -> None:
    jobs = [submit() for _ in range(4)]
    settle_due(session)
    with locked(db, "jobs_job WHERE id = %s", jobs[1].id):
        answerer.step(session, [f"job:{jobs[0].id}"])
        assert states(*jobs) == ["succeeded", "queued", "succeeded", "succeeded"]
        assert followed() == {jobs[1].id: jobs[0].id}
    answerer.step(session, [f"job:{jobs[0].id}"])
    assert states(*jobs) == ["succeeded"] * 4


def test_followers_wait_while_their_leader_s_row_is_locked(
    session: sa.Connection, answerer: FollowerSettler, db: str
) -> None:
    jobs = [submit() for _ in range(2)]
    settle_due(session)
    with locked(db, "jobs_job WHERE id = %s", jobs[0].id):
        answerer.step(session, [f"job:{jobs[0].id}"])
        assert (states(*jobs), followed()) == (["succeeded", "queued"], {jobs[1].id: jobs[0].id})
    answerer.step(session, [f"job:{jobs[0].id}"])
    assert states(*jobs) == ["succeeded"] * 2


def test_a_leader_with_many_followers_does_not_delay_others(
    session: sa.Connection, answerer: FollowerSettler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.services.reuse.follower_settler.MOST_CHUNKS", 4)
    monkeypatch.setattr(settle_followers.land, "__kwdefaults__", {"most": 2})
    many, few = submit({"text": "many"}), submit({"text": "few"})
    crowd, last = [submit({"text": "many"}) for _ in range(20)], submit({"text": "few"})
    settle_due(session)
    answerer.step(session, [f"job:{many.id}", f"job:{few.id}"])
    assert states(last) == ["succeeded"]
    assert "queued" in states(*crowd)
    for _ in range(10):
        answerer.step(session, [])
    assert set(states(*crowd)) == {"succeeded"}


def test_malformed_notifications_are_ignored(session: sa.Connection, answerer: FollowerSettler) -> None:
    leader, follower = submit(), submit()
    settle_due(session)
    answerer._look_at = float("inf")
    answerer.step(session, ["", "job:", "batch:7", "else", "job:1:2", f"job:{leader.id}"])
    assert states(follower) == ["succeeded"]


def test_a_settlement_that_breaks_off_changes_nothing(session: sa.Connection) -> None:
    jobs = [submit() for _ in range(3)]
    settle_due(session)
    with pytest.raises(ZeroDivisionError):
        landed_then_died(session, jobs[0].id)
    assert states(*jobs) == ["succeeded", "queued", "queued"]
    assert (Follower.objects.count(), JobResult.objects.count()) == (2, 1)


def landed_then_died(session: sa.Connection, leader: UUID) -> None:
    with transaction(session):
        assert settle_followers.land(session, leader).succeeded == 2
        raise ZeroDivisionError


def test_followers_die_of_their_leader_s_failure_each_with_a_dead_letter(
    session: sa.Connection, answerer: FollowerSettler
) -> None:
    jobs = [submit() for _ in range(3)]
    settle_due(session, BAD, reason="a failure of kind invalid is not retried")
    answerer.step(session, [])
    assert states(*jobs) == ["dead"] * 3
    assert set(Job.objects.values_list("error_kind", "error_code")) == {("invalid", "bad")}
    letters = {letter.job_id: letter for letter in Letter.objects.all()}
    assert {(row.kind, row.code, row.message, row.fingerprint) for row in letters.values()} == {
        ("invalid", "bad", BAD.message, letters[jobs[0].id].fingerprint)
    }
    assert letters[jobs[2].id].reason == (
        f"it followed job {jobs[0].id}, which died: a failure of kind invalid is not retried"
    )
    assert all(row.epoch == Job.objects.get(id=row.job_id).epoch for row in letters.values())


def test_a_follower_with_attempts_left_leads_after_its_leader_has_used_its_own(
    session: sa.Connection, answerer: FollowerSettler
) -> None:
    few, same, more = submit(max_attempts=1), submit(max_attempts=1), submit(max_attempts=2)
    settle_due(
        session, Failure(FailureKind.TRANSIENT, "busy", "not yet"), reason="attempt 1 of 1 was the last"
    )
    answerer.step(session, [])
    assert states(few, same, more) == ["dead", "dead", "queued"]
    assert Outbox.objects.get().job_id == more.id


@pytest.mark.parametrize("end", [cancelled, expired, deleted, too_late])
def test_the_most_urgent_follower_leads_after_a_leader_s_own_end(
    session: sa.Connection, answerer: FollowerSettler, end: Callable[[Submitted], None]
) -> None:
    leader = submit(priority=9)
    low, high, mid = (submit(priority=priority) for priority in (1, 7, 4))
    end(leader)
    answerer.step(session, [])
    assert dict(Outbox.objects.values_list("job_id", "priority")) == {high.id: 7}
    assert followed() == {low.id: high.id, mid.id: high.id}
    later = submit(priority=7)
    assert followed()[later.id] == high.id
    assert settle_due(session) == [high.id]
    answerer._look_at = 0
    answerer.step(session, [])
    assert states(low, high, mid, later) == ["succeeded"] * 4


def test_more_followers_than_a_chunk_follow_one_heir(
    session: sa.Connection, answerer: FollowerSettler
) -> None:
    leader, *others = (submit() for _ in range(7))
    cancelled(leader)
    for _ in range(4):
        with transaction(session):
            settle_followers.land(session, leader.id, most=2)
    assert Outbox.objects.count() == 1
    assert set(followed().values()) == {Outbox.objects.get().job_id}
    settle_due(session)
    answerer.step(session, [])
    assert set(states(*others)) == {"succeeded"}


def test_followers_join_an_identical_job_that_runs_already_unless_it_is_less_urgent(
    session: sa.Connection, answerer: FollowerSettler
) -> None:
    leader, first = submit(priority=5), submit(priority=5)
    fresh = submit(priority=5, cache="refresh")
    cancelled(leader)
    answerer.step(session, [])
    assert followed() == {first.id: fresh.id}
    lazy = submit(priority=0, cache="refresh")
    cancelled(fresh)
    answerer._look_at = 0
    answerer.step(session, [])
    assert followed() == {}
    assert set(Outbox.objects.values_list("job_id", flat=True)) == {first.id, lazy.id}


def test_a_cancelled_follower_is_cancelled_alone(session: sa.Connection, answerer: FollowerSettler) -> None:
    jobs = [submit() for _ in range(3)]
    cancelled(jobs[1])
    assert followed() == {jobs[2].id: jobs[0].id}
    settle_due(session)
    answerer.step(session, [])
    assert states(*jobs) == ["succeeded", "cancelled", "succeeded"]


def test_a_follower_expires_alone_whether_its_leader_runs_or_has_an_answer(
    session: sa.Connection, answerer: FollowerSettler
) -> None:
    leader, late, later = submit(), submit(deadline_s=60), submit(deadline_s=60)
    expired(late)
    assert followed() == {later.id: leader.id}
    settle_due(session)
    Job.objects.filter(id=later.id).update(deadline=timezone.now() - GONE)
    answerer.step(session, [])
    assert states(leader, late, later) == ["succeeded", "expired", "expired"]
    assert Job.objects.get(id=later.id).error_code == "deadline"
    assert not JobResult.objects.filter(job_id=later.id).exists()
    assert not Follower.objects.exists()


def test_a_dead_follower_that_is_replayed_runs_itself(
    session: sa.Connection, answerer: FollowerSettler
) -> None:
    leader, follower = submit(), submit()
    settle_due(session, BAD)
    answerer.step(session, [])
    replay_job(job_id=follower.id, actor="test")
    assert settle_due(session) == [follower.id]
    assert states(leader, follower) == ["dead", "succeeded"]
    assert JobResult.objects.get().source is None


def test_a_leader_replayed_before_its_followers_are_settled_leads_them_again(
    session: sa.Connection, answerer: FollowerSettler
) -> None:
    leader, follower = submit(), submit()
    settle_due(session, BAD)
    replay_job(job_id=leader.id, actor="test")
    answerer.step(session, [])
    assert states(leader, follower) == ["queued", "queued"]
    settle_due(session)
    answerer._look_at = 0
    answerer.step(session, [])
    assert states(leader, follower) == ["succeeded", "succeeded"]


def test_a_follower_stored_just_after_its_leader_s_end_sends_the_notification_again(
    session: sa.Connection, answerer: FollowerSettler, db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The leader ends, and its notification is sent, between the submit's read and its commit."""
    leader, real = submit(), statement.fetch_all
    ended = list[UUID]()

    def slow(text: Any, params: Any) -> Any:
        rows = real(text, params)
        if not ended:
            ended.extend(settle_due(session))
        return rows

    monkeypatch.setattr("jobs.services.submission.shared.fetch_all", slow)
    with listening(db) as heard:
        follower = submit()
    assert (ended, states(follower)) == ([leader.id], ["queued"])
    assert f"job:{leader.id}" in heard
    answerer._look_at = float("inf")
    answerer.step(session, heard)
    assert states(leader, follower) == ["succeeded", "succeeded"]


def test_a_follower_that_runs_itself_follows_no_more(
    session: sa.Connection, answerer: FollowerSettler
) -> None:
    leader, running, released = submit(), submit(), submit()
    for job in (running, released):
        publish(job)
    batch = claim_due(session)
    epochs = {job.job: job.epoch for job in batch.jobs}
    with transaction(session):
        release(session, batch=batch.id, jobs=[(released.id, epochs[released.id])])
        settle(session, batch=batch.id, verdicts=[Verdict(leader.id, epochs[leader.id], ANSWER)])
    answerer.step(session, [])
    assert states(leader, running, released) == ["succeeded", "running", "queued"]
    assert Outbox.objects.get().job_id == released.id
    assert not Follower.objects.exists()


def publish(job: Submitted) -> None:
    row = Job.objects.get(id=job.id)
    Outbox.objects.create(
        job=row,
        epoch=0,
        version_id=row.version_id,
        model=row.model,
        priority=row.priority,
        client=row.client_id,
    )


def test_one_of_two_follower_settlers_works_and_the_other_takes_over(session: sa.Connection) -> None:
    leader, follower = submit(), submit()
    stop = Event()
    with open_session() as holder:
        held = HeldLeases(holder, leases.FOLLOWER_SETTLER, lease_s=300.0)
        assert held.take(leases.FOLLOWER_SETTLER)
        with in_thread(FollowerSettler(stop=stop).run, stop):
            settle_due(session)
            assert states(follower) == ["queued"]
            held.resign()
            wait_until(lambda: states(leader, follower) == ["succeeded", "succeeded"])


def test_a_settler_that_was_stopped_in_a_look_finds_who_ended_meanwhile(
    session: sa.Connection, answerer: FollowerSettler
) -> None:
    for _ in range(2):  # each look from the beginning was long: the next one is due in hours
        answerer._wholes.took(3_600.0, began=answerer._clock())
    leader, follower = submit(), submit()
    settle_due(session)  # the settler gets no notification
    answerer.step(session, [])
    assert states(leader, follower) == ["succeeded", "queued"]
    answerer.opened(session)
    answerer._look_at = 0.0
    answerer.step(session, [])
    assert states(follower) == ["succeeded"]


def test_useless_cache_entries_are_swept_in_bounded_chunks(session: sa.Connection) -> None:
    live, done = submit({"text": "live"}), submit({"text": "done"})
    dead = [submit({"text": str(number)}) for number in range(5)]
    for job in dead:
        cancelled(job)
    settle_due(session)
    Job.objects.filter(id=live.id).update(state="queued", finished_at=None)
    CacheEntry.objects.update(expires_at=timezone.now() - GONE)
    assert [cache.sweep_entries(session, 3).looked_at for _ in range(4)] == [3, 3, 1, 0]
    assert set(CacheEntry.objects.values_list("job_id", flat=True)) == {live.id, done.id}
    fresh = CacheEntry.objects.get(job_id=done.id)
    ended = Job.objects.get(id=done.id).finished_at
    assert ended is not None
    assert fresh.expires_at == ended + timedelta(seconds=60)


def test_a_cache_entry_is_deleted_once_its_answer_is_too_old(
    session: sa.Connection, answerer: FollowerSettler
) -> None:
    old = submit()
    settle_due(session)
    Job.objects.filter(id=old.id).update(finished_at=timezone.now() - GONE)
    CacheEntry.objects.update(expires_at=timezone.now() - GONE)
    answerer.step(session, [])
    assert not CacheEntry.objects.exists()


def test_every_leader_is_checked_in_bounded_pages(session: sa.Connection) -> None:
    pairs = [(submit({"text": str(number)}), submit({"text": str(number)})) for number in range(5)]
    cancelled(pairs[3][0])
    ids = sorted(leader.id for leader, _ in pairs)
    first = settle_followers.leaders(session, after=UUID(int=0), most=2)
    rest = settle_followers.leaders(session, after=first[-1].id, most=10)
    assert [leader.id for leader in first + rest] == ids
    assert [leader.id for leader in first + rest if leader.ended] == [pairs[3][0].id]
    assert settle_followers.leaders(session, after=ids[-1], most=10) == []


def test_a_settle_of_a_leader_touches_no_follower(session: sa.Connection) -> None:
    jobs = [submit() for _ in range(20)]
    settle_due(session)
    assert Follower.objects.count() == 19
    assert set(states(*jobs[1:])) == {"queued"}


def test_an_edited_job_answers_no_request_for_its_first_input(
    session: sa.Connection, answerer: FollowerSettler
) -> None:
    first = submit({"text": "a"})
    settle_due(session, BAD)
    replay_edited(job_id=first.id, actor="olga", text='{"text": "b"}')
    settle_due(session)
    again = submit({"text": "a"})
    assert states(first, again) == ["succeeded", "queued"]


def test_while_an_edited_job_waits_nobody_follows_it(session: sa.Connection) -> None:
    first = submit({"text": "a"})
    settle_due(session, BAD)
    replay_edited(job_id=first.id, actor="olga", text='{"text": "b"}')
    submit({"text": "a"})
    assert followed() == {}


def test_the_followers_of_a_job_that_is_edited_get_a_run_of_their_own(
    session: sa.Connection, answerer: FollowerSettler
) -> None:
    first, *others = (submit({"text": "a"}) for _ in range(3))
    settle_due(session, BAD)
    replay_edited(job_id=first.id, actor="olga", text='{"text": "b"}')  # before they are settled
    answerer.step(session, [])
    assert Outbox.objects.filter(job_id__in=[job.id for job in others]).count() == 1
    settle_due(session)
    answerer._look_at = 0
    answerer.step(session, [])
    assert states(first, *others) == ["succeeded"] * 3
    sources = set(
        JobResult.objects.filter(job_id__in=[job.id for job in others]).values_list("source", flat=True)
    )
    assert first.id not in sources


def test_followers_that_several_leaders_let_go_together_lead_by_what_they_ask(
    session: sa.Connection, answerer: FollowerSettler
) -> None:
    """Else the first of them would answer the others, which asked something else."""
    leaders = [submit({"text": text}) for text in "ab"]
    behind = {text: [submit({"text": text}) for _ in range(2)] for text in "ab"}
    unshare([leader.id for leader in leaders])
    answerer.step(session, ())
    answerer.step(session, ())
    assert Outbox.objects.count() == 4
    for text, jobs in behind.items():
        (follower,) = [job.id for job in jobs if job.id in followed()]
        assert followed()[follower] in {job.id for job in jobs}, text
