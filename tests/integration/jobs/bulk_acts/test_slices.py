"""Acts on all that match: each job once, at the rate, stopped at once, whatever dies in between."""

from __future__ import annotations

from datetime import timedelta
from threading import Event
from typing import Any
from unittest import mock

import pytest
import sqlalchemy as sa
from django.db import Error as DjangoDatabaseError
from django.db import connection
from django.db.models import F
from django.utils import timezone

from jobs.core.acting.bulk_verbs import BulkVerb
from jobs.core.acting.job_selection import JobSelection
from jobs.core.errors import WrongStateError
from jobs.core.states import State
from jobs.db.session import open_session
from jobs.models import BulkAct, DeadLetter, Follower, Job, JobInput, Outbox
from jobs.models import Event as EventRow
from jobs.services.bulk_acts import slices
from jobs.services.bulk_acts.bulk_runner import BulkRunner
from jobs.services.bulk_acts.matching import count_matching
from jobs.services.bulk_acts.operate_many import start_bulk_act, stop_bulk_act
from jobs.services.bulk_acts.slices import take_slices
from jobs.services.dead_letters.replay_many import now
from models_registry import selectors
from tests.support.factories import count_by_state, make_client, make_dead, make_job, make_jobs, make_version
from tests.support.locked import locked
from tests.support.submit import submit_to
from tests.support.threads import at_once

FAST = 10_000.0


@pytest.fixture(autouse=True)
def fresh(db: str) -> None:
    selectors.forget()


def start(verb: BulkVerb, *, rate: float = FAST, **chosen: Any) -> BulkAct:
    selection = JobSelection(**chosen)
    total, _ = count_matching(selection, verb, started_at=now())
    act = start_bulk_act(verb=verb, selection=selection, rate_per_s=rate, total=total, actor="olga")
    return BulkAct.objects.get(pk=act)


def to_the_end(act: BulkAct) -> BulkAct:
    for _ in range(100):
        take_slices()
        BulkAct.objects.filter(pk=act.pk).update(due=F("created_at"))
        act.refresh_from_db()
        if act.ended_at is not None:
            return act
    raise AssertionError("the act does not end")


def test_all_live_jobs_that_match_are_cancelled_and_no_other(session: sa.Connection) -> None:
    theirs = make_client("theirs")
    queued, waiting = make_jobs(3), make_jobs(2, state=State.WAITING)
    running = make_job(state=State.RUNNING)
    other, done = make_jobs(2, client=theirs), make_job(state=State.SUCCEEDED)
    act = to_the_end(start(BulkVerb.CANCEL, client=queued[0].client_id))
    assert (act.total, act.done, act.failed, act.state) == (6, 6, 0, "finished")
    assert count_by_state() == {"cancelled": 6, "queued": 2, "succeeded": 1}
    assert set(Outbox.objects.values_list("job_id", flat=True)) == {job.pk for job in other}
    cancelled = EventRow.objects.filter(kind="cancel", actor="olga").values_list("job_id", flat=True)
    assert sorted(cancelled) == sorted(job.pk for job in (*queued, *waiting, running))
    assert done.state == State.SUCCEEDED


def test_a_job_that_follows_an_identical_one_is_cancelled_too() -> None:
    make_version("echo", options={"collapse": True})
    ids = {submit_to("echo", "same").id for _ in range(3)}
    assert Follower.objects.count() == 2
    act = to_the_end(start(BulkVerb.CANCEL, model="echo"))
    assert act.done == len(ids) == 3
    assert not Follower.objects.exists()


def test_dead_jobs_are_replayed_each_once_and_those_without_an_input_counted() -> None:
    dead = make_dead(5)
    JobInput.objects.filter(job=dead[0]).delete()
    act = to_the_end(start(BulkVerb.REPLAY, state=State.DEAD))
    assert (act.total, act.done, act.failed) == (5, 4, 1)
    assert EventRow.objects.filter(kind="replay").count() == 4
    assert set(Job.objects.filter(state="queued").values_list("epoch", flat=True)) == {1}


@pytest.mark.parametrize("state", [State.CANCELLED, State.EXPIRED])
def test_jobs_that_ended_otherwise_are_replayed(state: State) -> None:
    make_jobs(3, state=state)
    make_dead(1)
    act = to_the_end(start(BulkVerb.REPLAY, state=state))
    assert (act.done, count_by_state()) == (3, {"queued": 3, "dead": 1})


def test_dead_letters_that_match_are_discarded() -> None:
    ours, theirs = make_dead(3), make_dead(2, fingerprint="poison:other:-")
    act = to_the_end(start(BulkVerb.DISCARD, fingerprint="poison:test:-"))
    assert act.done == len(ours)
    kept = DeadLetter.objects.filter(discarded_at__isnull=True).values_list("pk", flat=True)
    assert set(kept) == {job.pk for job in theirs}


def test_jobs_are_chosen_by_a_field_of_their_metadata_which_the_audit_does_not_hold() -> None:
    make_version("echo", options={"metadata_index": ["tenant"]})
    ours = submit_to("echo", "a", metadata={"tenant": "acme"})
    submit_to("echo", "b", metadata={"tenant": "other"})
    act = to_the_end(start(BulkVerb.CANCEL, model="echo", field="tenant", value="acme"))
    assert (act.total, act.done) == (1, 1)
    assert Job.objects.get(state="cancelled").pk == ours.id
    assert "acme" not in str(list(EventRow.objects.values_list("detail", flat=True)))


def test_jobs_that_come_or_die_after_the_start_are_not_part_of_it() -> None:
    act = start(BulkVerb.DISCARD)
    BulkAct.objects.filter(pk=act.pk).update(created_at=timezone.now() - timedelta(seconds=2))
    make_dead(2)
    assert to_the_end(act).done == 0
    act = start(BulkVerb.CANCEL)
    BulkAct.objects.filter(pk=act.pk).update(created_at=timezone.now() - timedelta(seconds=2))
    make_jobs(2)
    assert to_the_end(act).done == 0


def test_a_slice_takes_half_a_second_of_the_rate_and_the_next_one_waits() -> None:
    make_jobs(10)
    act = start(BulkVerb.CANCEL, rate=4.0)
    take_slices()
    take_slices()
    act.refresh_from_db()
    assert act.done == 2
    assert 0.4 < (act.due - act.created_at).total_seconds() < 0.6


def test_a_long_pause_is_not_made_up_for() -> None:
    make_jobs(20)
    act = start(BulkVerb.CANCEL, rate=4.0)
    BulkAct.objects.filter(pk=act.pk).update(due=timezone.now() - timedelta(hours=1))
    take_slices()
    act.refresh_from_db()
    assert act.done <= 6  # a slice, and the second before now


def test_a_process_that_dies_within_a_slice_leaves_it_undone_and_another_does_each_job_once() -> None:
    make_jobs(300)
    act = start(BulkVerb.CANCEL)
    dies = mock.Mock(sql="SELECT pg_terminate_backend(pg_backend_pid())")
    with mock.patch.object(slices, "_GO_ON", dies), pytest.raises(DjangoDatabaseError):
        take_slices()
    connection.close()
    assert count_by_state() == {"queued": 300}
    at_once([_look] * 3)
    act = to_the_end(act)
    assert (act.done, act.failed) == (300, 0)
    assert EventRow.objects.filter(kind="cancel").count() == 300


def test_a_stopped_act_does_no_further_job() -> None:
    make_jobs(10)
    act = start(BulkVerb.CANCEL, rate=4.0)
    take_slices()
    stop_bulk_act(act=act.pk, actor="boss")
    BulkAct.objects.filter(pk=act.pk).update(due=F("created_at"))
    take_slices()
    act.refresh_from_db()
    assert (act.done, act.state, act.ended_by) == (2, "stopped", "boss")
    with pytest.raises(WrongStateError):
        stop_bulk_act(act=act.pk, actor="boss")
    steps = EventRow.objects.filter(kind="bulk_act").order_by("id").values_list("actor", "detail__state")
    assert list(steps) == [("olga", "running"), ("boss", "stopped")]


def test_an_act_that_does_not_apply_to_the_state_is_refused() -> None:
    with pytest.raises(WrongStateError):
        start(BulkVerb.CANCEL, state=State.DEAD)


def test_the_runner_takes_what_is_due(session: sa.Connection) -> None:
    make_jobs(3)
    act = start(BulkVerb.CANCEL)
    runner = BulkRunner(stop=Event())
    assert runner.pause_s >= 1
    with open_session() as own:
        runner.step(own, ())
        act.refresh_from_db()
        assert act.done == 3
        runner.step(own, ())
    assert runner.pause_s >= 1


def test_a_job_that_another_transaction_holds_delays_the_act_and_fails_nothing(db: str) -> None:
    (job,) = make_jobs(1)
    act = start(BulkVerb.CANCEL)
    with (
        locked(db, "jobs_job WHERE id = %s", job.pk),
        mock.patch("jobs.services.lifecycle.cancel.PATIENCE", _quick()),
    ):
        take_slices()
    act = to_the_end(act)
    assert (act.done, act.failed) == (1, 0)


def test_an_act_that_cannot_go_on_keeps_no_other_back() -> None:
    make_jobs(2)
    sick, other = start(BulkVerb.CANCEL), start(BulkVerb.CANCEL)
    BulkAct.objects.filter(pk=sick.pk).update(verb="shelve")  # of a newer release
    take_slices()
    assert count_by_state() == {"cancelled": 2}
    sick.refresh_from_db()
    assert (sick.state, sick.due > timezone.now()) == ("running", True)
    stop_bulk_act(act=sick.pk, actor="olga")
    other.refresh_from_db()
    assert other.state == "finished"


def _look() -> None:
    take_slices()


def _quick() -> Any:
    from jobs.db.statement import Statement

    return Statement("SELECT set_config('lock_timeout', '100ms', true)", str)
