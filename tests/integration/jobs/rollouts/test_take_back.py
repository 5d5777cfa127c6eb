"""Jobs of a stopped candidate go back to the stable version, all of them, whatever dies in between."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from threading import Event as Stop
from typing import Any
from uuid import UUID

import psycopg
import pytest
import sqlalchemy as sa
from django.db.models.functions import Now
from sqlalchemy.exc import DBAPIError

from jobs.core.states import State
from jobs.db import leases
from jobs.db.leases import HeldLeases, LeaseLostError
from jobs.db.session import transaction
from jobs.models import Batch, Circuit, DeadLetter, Event, Follower, Job, Outbox, TakeBack
from jobs.services.lifecycle.rerouting import reroute as rerouting
from jobs.services.reuse import settle_followers
from jobs.services.rollouts import acts
from jobs.services.rollouts import take_back as taking
from jobs.services.rollouts.judge_loop import LATE_S, RolloutJudge
from jobs.services.rollouts.take_back import any_take_back, note_late, take_back
from models_registry import selectors
from models_registry.models import Rollout
from tests.support.factories import make_batch, make_jobs, make_version, make_worker
from tests.support.rollout_rows import Judged, Trials, queued, versions_of


@pytest.fixture(autouse=True)
def fresh(db: str) -> Iterator[None]:
    selectors.forget()
    yield
    selectors.forget()


def sweep(session: sa.Connection) -> int:
    return sum(take_back(session, back) for back in any_take_back(session))


def later() -> None:
    """Let the stop of each roll-out be so long ago that no process has an older rule."""
    earlier = timedelta(seconds=taking.LOOK_AGAIN_S + 1)
    TakeBack.objects.update(since=Now() - earlier)
    Batch.objects.update(claimed_at=Now() - earlier)


@pytest.fixture
def rolled_back() -> Judged:
    judged = Judged()
    judged.running()
    return judged


def test_what_waits_goes_back_and_what_named_the_version_stays(
    session: sa.Connection, rolled_back: Judged
) -> None:
    fresh = rolled_back.jobs(3, priority=7)
    published, waiting = rolled_back.jobs(2, published=1), rolled_back.jobs(2, state=State.WAITING)
    pinned = make_jobs(2, version=rolled_back.candidate)
    acts.roll_back(rolled_back.id, actor="olga")
    assert sweep(session) == 7
    routed = [*fresh, *published, *waiting]
    assert versions_of(routed) == {rolled_back.stable.pk}
    assert queued(routed)
    assert versions_of(pinned) == {rolled_back.candidate.pk}
    rows = Outbox.objects.filter(job__in=routed)
    assert set(rows.values_list("version_id", "published")) == {(rolled_back.stable.pk, 0)}
    assert set(Outbox.objects.filter(job__in=fresh).values_list("priority", flat=True)) == {7}
    assert Event.objects.filter(kind="take_back").count() == 7
    assert TakeBack.objects.get().taken == 7


def test_it_looks_again_for_what_a_web_process_with_the_old_rule_still_routes(
    session: sa.Connection, rolled_back: Judged
) -> None:
    acts.roll_back(rolled_back.id, actor="olga")
    assert sweep(session) == 0
    late = rolled_back.jobs(1)
    assert sweep(session) == 1
    assert versions_of(late) == {rolled_back.stable.pk}
    assert TakeBack.objects.exists()


def test_it_ends_once_no_batch_of_before_runs_and_the_circuit_closes(
    session: sa.Connection, rolled_back: Judged
) -> None:
    running = rolled_back.jobs(1)
    make_batch(make_worker(), rolled_back.candidate, running)
    acts.roll_back(rolled_back.id, actor="olga")
    later()
    sweep(session)
    assert TakeBack.objects.exists()
    assert Circuit.objects.get().state == "open"
    Batch.objects.update(finished_at=Now())
    sweep(session)
    assert not TakeBack.objects.exists()
    assert Circuit.objects.get().state == "closed"
    event = Event.objects.get(kind="rollout", detail__act="taken_back")
    assert (event.detail["jobs"], event.detail["circuit"]) == (0, "closed")


def test_the_circuit_stays_open_where_workers_died(session: sa.Connection, rolled_back: Judged) -> None:
    Rollout.objects.update(deaths=2)
    acts.roll_back(rolled_back.id, actor="olga")
    later()
    sweep(session)
    assert not TakeBack.objects.exists()
    assert Circuit.objects.get().state == "open"


def test_a_circuit_that_a_person_opened_since_stays_open(session: sa.Connection, rolled_back: Judged) -> None:
    acts.roll_back(rolled_back.id, actor="olga")
    Circuit.objects.update(reason="An operator opened it.")
    later()
    sweep(session)
    assert Circuit.objects.get().state == "open"


def test_a_paused_one_gives_its_jobs_back_and_no_circuit_is_touched(
    session: sa.Connection, rolled_back: Judged
) -> None:
    jobs = rolled_back.jobs(2)
    acts.pause(rolled_back.id, actor="olga")
    assert sweep(session) == 2
    later()
    sweep(session)
    assert versions_of(jobs) == {rolled_back.stable.pk}
    assert not TakeBack.objects.exists()
    assert not Circuit.objects.exists()


def test_followers_go_with_their_leader(session: sa.Connection, rolled_back: Judged) -> None:
    (leader,) = rolled_back.jobs(1)
    followers = rolled_back.jobs(2)
    Outbox.objects.filter(job__in=followers).delete()
    Follower.objects.bulk_create(
        Follower(job=job, leader=leader.pk, key=b"k" * 32, priority=4) for job in followers
    )
    acts.roll_back(rolled_back.id, actor="olga")
    assert sweep(session) == 1
    assert versions_of([leader, *followers]) == {rolled_back.stable.pk}


def behind(leader: Job, followers: list[Job], key: bytes = b"k" * 32) -> None:
    """Let jobs wait for another's answer."""
    Outbox.objects.filter(job__in=followers).delete()
    Follower.objects.bulk_create(
        Follower(job=job, leader=leader.pk, key=key, priority=job.priority) for job in followers
    )


def land(session: sa.Connection, leader: UUID) -> settle_followers.Landed:
    with transaction(session):
        return settle_followers.land(session, leader)


@pytest.mark.parametrize("leads", ["pinned", "moved"])
def test_a_routed_follower_that_no_leader_takes_along_goes_back_by_itself(
    session: sa.Connection, rolled_back: Judged, leads: str
) -> None:
    """Its leader named the version, or went back while the follower was stored."""
    version = rolled_back.candidate if leads == "pinned" else rolled_back.stable
    (leader,) = make_jobs(1, version=version)
    if leads == "moved":
        rolled_back.route([leader])
    followers = rolled_back.jobs(2)
    behind(leader, followers)
    acts.roll_back(rolled_back.id, actor="olga")
    assert sweep(session) == 2
    assert versions_of(followers) == {rolled_back.stable.pk}
    assert Event.objects.filter(kind="take_back", job__in=followers).count() == 2
    (nobody,) = set(Follower.objects.values_list("leader", flat=True))
    assert land(session, nobody).running == 1
    (row,) = Outbox.objects.filter(job__in=followers)
    assert row.version_id == rolled_back.stable.pk
    assert Follower.objects.get().leader == row.job_id


def test_a_follower_is_not_answered_by_another_version_than_its_own(
    session: sa.Connection, rolled_back: Judged
) -> None:
    (leader,) = rolled_back.jobs(1, version=rolled_back.stable, state=State.SUCCEEDED)
    (late,) = rolled_back.jobs(1)
    behind(leader, [late])
    assert land(session, leader.pk).running == 1
    late.refresh_from_db()
    assert late.state == State.QUEUED


def test_a_routed_follower_does_not_die_of_a_job_that_named_the_candidate(
    session: sa.Connection, rolled_back: Judged
) -> None:
    (leader,) = make_jobs(1, version=rolled_back.candidate, state=State.DEAD)
    DeadLetter.objects.update_or_create(
        job=leader,
        defaults={"epoch": 1, "model": "echo", "kind": "invalid", "code": "bad", "fingerprint": "f"},
    )
    (routed,), (pinned,) = rolled_back.jobs(1), make_jobs(1, version=rolled_back.candidate)
    behind(leader, [routed, pinned])
    landed = land(session, leader.pk)
    assert (landed.running, landed.dead) == (1, 1)
    assert Outbox.objects.get(job=routed).version_id == rolled_back.candidate.pk
    pinned.refresh_from_db()
    assert pinned.state == State.DEAD


@pytest.mark.parametrize("stop", ["roll_back", "pause"])
def test_a_job_that_comes_after_the_sweep_goes_back_though_the_circuit_stays_open(
    session: sa.Connection, rolled_back: Judged, stop: str
) -> None:
    Rollout.objects.update(deaths=2)
    getattr(acts, stop)(rolled_back.id, actor="olga")
    later()
    sweep(session)
    assert not TakeBack.objects.exists()
    late = rolled_back.jobs(1)
    now = [0.0]
    judge = RolloutJudge(stop=Stop(), trials=Trials(), clock=lambda: now[0])
    judge.step(session, ())
    assert versions_of(late) == {rolled_back.candidate.pk}
    now[0] = LATE_S
    judge.step(session, ())
    assert versions_of(late) == {rolled_back.stable.pk}
    later()
    judge.step(session, ())
    assert not TakeBack.objects.exists()
    now[0] *= 3
    judge.step(session, ())
    assert not TakeBack.objects.exists()


def test_nothing_is_taken_back_late_from_a_candidate_with_a_share(
    session: sa.Connection, rolled_back: Judged
) -> None:
    rolled_back.jobs(1)
    assert note_late(session) == []


class Killed(Exception):  # noqa: N818  # no error of the program
    """A process ended here."""


def test_killed_between_any_two_chunks_the_next_tick_goes_on(
    session: sa.Connection, rolled_back: Judged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taking, "CHUNK_JOBS", 2)
    jobs = rolled_back.jobs(7)
    acts.roll_back(rolled_back.id, actor="olga")
    for _ in range(3):
        calls = iter([None])

        def killed(calls: Iterator[None] = calls) -> None:
            if next(calls, Killed) is Killed:
                raise Killed

        (back,) = any_take_back(session)
        with pytest.raises(Killed):
            take_back(session, back, killed)
    sweep(session)
    assert versions_of(jobs) == {rolled_back.stable.pk}
    assert TakeBack.objects.get().taken == 7
    assert Event.objects.filter(kind="take_back").count() == 7


def test_a_judge_that_lost_its_lease_takes_nothing_back(session: sa.Connection, rolled_back: Judged) -> None:
    jobs = rolled_back.jobs(2)
    acts.roll_back(rolled_back.id, actor="olga")
    holder = HeldLeases(session, leases.ROLLOUT_JUDGE)
    assert holder.take(leases.ROLLOUT_JUDGE)
    session.exec_driver_sql("DELETE FROM jobs_leaseholder")
    with pytest.raises(LeaseLostError):
        sweep(session)
    assert versions_of(jobs) == {rolled_back.candidate.pk}
    session.info.pop("holder")


def test_a_database_that_goes_away_during_a_roll_back_leaves_it_to_the_next_tick(
    session: sa.Connection, rolled_back: Judged, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session is ended by the server in the middle of a chunk."""
    jobs = rolled_back.jobs(3)
    acts.roll_back(rolled_back.id, actor="olga")
    real: Any = rerouting.take_back

    def broken(connection: sa.Connection, **given: Any) -> Any:
        real(connection, **given)
        connection.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")

    stop = Stop()
    judge = RolloutJudge(stop=stop, trials=Trials())
    monkeypatch.setattr(RolloutJudge, "first_backoff_s", 0.01)
    monkeypatch.setattr(rerouting, "take_back", broken)
    failures: list[Exception] = []

    def interrupted(error: Exception) -> None:
        failures.append(error)
        monkeypatch.setattr(rerouting, "take_back", real)

    step = judge.step

    def stepped(connection: sa.Connection, payloads: Any) -> None:
        step(connection, payloads)
        if versions_of(jobs) == {rolled_back.stable.pk}:
            stop.set()

    monkeypatch.setattr(judge, "interrupted", interrupted)
    monkeypatch.setattr(judge, "step", stepped)
    judge.run()
    assert isinstance(failures[0], psycopg.Error | DBAPIError)
    assert versions_of(jobs) == {rolled_back.stable.pk}
    assert Event.objects.filter(kind="take_back").count() == 3


def test_jobs_of_another_roll_out_and_another_model_stay(session: sa.Connection, rolled_back: Judged) -> None:
    other = make_jobs(2, model="other", version=make_version("other", "1"))
    stable = rolled_back.jobs(2, version=rolled_back.stable)
    acts.roll_back(rolled_back.id, actor="olga")
    assert sweep(session) == 0
    assert versions_of(other) != {rolled_back.stable.pk}
    assert versions_of(stable) == {rolled_back.stable.pk}
