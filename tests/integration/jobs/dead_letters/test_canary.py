"""A replay of many dead jobs queues one of each group, and the others only where that one succeeds."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event, Thread
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from jobs.core.errors import PayloadGoneError
from jobs.core.retry.replay_steps import MOST_CANARIES
from jobs.core.states import State
from jobs.db.leases import LeaseLostError
from jobs.models import CanaryReplay, DeadLetter, Job, JobInput
from jobs.services.dead_letters import canary, replay_many
from jobs.services.dead_letters.canary import ReplayStart, start_replay, take_steps
from jobs.services.dead_letters.canary_runner import CanaryRunner
from jobs.services.dead_letters.reads import DeadLetterFilter
from models_registry import selectors
from tests.support.admin import browser_of
from tests.support.factories import count_by_state, make_dead
from tests.support.locked import locked
from tests.support.wait import wait_until

SAME, OTHER = "internal:ValueError:model.py:run", "internal:KeyError:model.py:run"


@pytest.fixture(autouse=True)
def empty(db: str) -> Iterator[None]:
    selectors.forget()
    yield
    selectors.forget()


def started(selection: DeadLetterFilter | None = None, *, most: int = 1_000) -> ReplayStart:
    return start_replay(selection=selection or DeadLetterFilter(), actor="olga", most=most)


def first_job() -> UUID:
    return CanaryReplay.objects.get().canary


def ended(job: UUID, state: State, fingerprint: str = "") -> None:
    Job.objects.filter(pk=job).update(state=state, finished_at=timezone.now())
    if state is State.DEAD:
        DeadLetter.objects.create(
            job_id=job, epoch=9, model="echo", kind="internal", code="x", message="", fingerprint=fingerprint
        )


def test_one_job_goes_first_and_the_others_follow_its_success() -> None:
    jobs = sorted(job.id for job in make_dead(211, fingerprint=SAME))
    assert started() == ReplayStart(1, 210)
    assert first_job() == jobs[0]
    assert count_by_state() == {"queued": 1, "dead": 210}
    take_steps()
    assert count_by_state() == {"queued": 1, "dead": 210}, "it waits for the first job"
    ended(jobs[0], State.SUCCEEDED)
    take_steps()
    assert count_by_state() == {"queued": 210, "succeeded": 1}
    replay = CanaryReplay.objects.get()
    assert (replay.state, replay.replayed) == ("done", 210)


def test_it_stops_where_the_first_job_fails_in_the_same_way() -> None:
    make_dead(5, fingerprint=SAME)
    started()
    ended(first_job(), State.DEAD, SAME)
    take_steps()
    take_steps()
    assert count_by_state() == {"dead": 5}
    replay = CanaryReplay.objects.get()
    assert (replay.state, replay.reason) == ("stopped", "The first job failed in the same way again.")
    page = browser_of("view_canaryreplay").get("/admin/jobs/canaryreplay/").content.decode()
    assert "The first job failed in the same way again." in page


def test_each_group_has_a_first_job_of_its_own() -> None:
    make_dead(3, fingerprint=SAME)
    make_dead(3, fingerprint=OTHER)
    make_dead(1, fingerprint=OTHER, model="other")
    assert started() == ReplayStart(3, 4)
    bad = CanaryReplay.objects.get(fingerprint=SAME)
    ended(bad.canary, State.DEAD, SAME)
    ended(CanaryReplay.objects.get(fingerprint=OTHER).canary, State.SUCCEEDED)
    take_steps()
    assert count_by_state() == {"dead": 3, "queued": 3, "succeeded": 1}


def test_after_another_end_another_job_goes_first_a_few_times() -> None:
    make_dead(9, fingerprint=SAME)
    started()
    seen = set[UUID]()
    for _ in range(MOST_CANARIES):
        seen.add(first_job())
        ended(first_job(), State.DEAD, OTHER)
        take_steps()
    assert len(seen) == MOST_CANARIES
    assert count_by_state() == {"dead": 9}
    assert CanaryReplay.objects.get().state == "stopped"


def test_no_more_jobs_follow_than_were_asked_for_and_none_that_died_later() -> None:
    jobs = make_dead(6, fingerprint=SAME)
    assert started(most=4) == ReplayStart(1, 3)
    late = make_dead(3, fingerprint=SAME)
    ended(first_job(), State.SUCCEEDED)
    take_steps()
    queued = set(Job.objects.filter(state="queued").values_list("id", flat=True))
    assert len(queued) == 3
    assert queued <= {job.id for job in jobs}
    assert not queued & {job.id for job in late}


def test_picked_jobs_alone_are_replayed() -> None:
    picked = [job.id for job in make_dead(2, fingerprint=SAME)]
    make_dead(2, fingerprint=SAME)
    assert started(DeadLetterFilter(jobs=picked)) == ReplayStart(1, 1)
    ended(first_job(), State.SUCCEEDED)
    take_steps()
    assert Job.objects.filter(state="queued", id__in=picked).count() == 1
    assert count_by_state() == {"queued": 1, "succeeded": 1, "dead": 2}


def test_the_relay_s_process_takes_the_steps() -> None:
    make_dead(3, fingerprint=SAME)
    started()
    stop = Event()
    runner = Thread(target=CanaryRunner(stop=stop).run)
    runner.start()
    try:
        ended(first_job(), State.SUCCEEDED)
        wait_until(lambda: CanaryReplay.objects.get().state == "done")
    finally:
        stop.set()
        runner.join()
    assert count_by_state() == {"queued": 2, "succeeded": 1}


def test_a_long_replay_asks_before_each_part_whether_it_may_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_many, "CHUNK_JOBS", 10)
    jobs = sorted(job.id for job in make_dead(31, fingerprint=SAME))
    started()
    ended(jobs[0], State.SUCCEEDED)
    calls = list[int]()

    def another_took_over() -> None:
        calls.append(len(calls))
        if len(calls) > 2:
            raise LeaseLostError

    with pytest.raises(LeaseLostError):
        take_steps(another_took_over)
    assert count_by_state() == {"dead": 20, "queued": 10, "succeeded": 1}
    take_steps()
    assert count_by_state() == {"queued": 30, "succeeded": 1}


def test_a_locked_job_of_one_replay_delays_no_other_replay(db: str) -> None:
    same, other = (sorted(job.id for job in make_dead(3, fingerprint=what)) for what in (SAME, OTHER))
    for fingerprint in (SAME, OTHER):
        started(DeadLetterFilter(fingerprint=fingerprint))
    for first in (same[0], other[0]):
        ended(first, State.SUCCEEDED)
    with locked(db, "jobs_job WHERE id = %s", same[1]):
        take_steps()
        assert count_by_state() == {"succeeded": 2, "dead": 2, "queued": 2}
    take_steps()
    assert count_by_state() == {"succeeded": 2, "queued": 4}


@pytest.mark.parametrize("gone", [0, 1, 3])
def test_a_job_whose_input_was_deleted_keeps_no_other_back(gone: int) -> None:
    jobs = sorted(job.id for job in make_dead(4, fingerprint=SAME))
    JobInput.objects.filter(job_id=jobs[gone]).delete()
    assert started() == ReplayStart(1, 3)
    ended(first_job(), State.SUCCEEDED)
    take_steps()
    assert count_by_state() == {"succeeded": 1, "queued": 2, "dead": 1}
    assert Job.objects.get(state=State.DEAD).id == jobs[gone]
    assert (CanaryReplay.objects.get().state, CanaryReplay.objects.get().replayed) == ("done", 2)


def test_a_replay_that_cannot_go_on_keeps_no_other_back(monkeypatch: pytest.MonkeyPatch) -> None:
    make_dead(2, fingerprint=SAME)
    make_dead(2, fingerprint=OTHER)
    started()
    for replay in CanaryReplay.objects.all():
        ended(replay.canary, State.SUCCEEDED)
    sick = CanaryReplay.objects.order_by("id")[0]
    whole = replay_many.replay_dead_letters

    def refusing(**arguments: Any) -> int:
        if arguments["selection"].fingerprint == sick.fingerprint:
            raise PayloadGoneError
        return whole(**arguments)

    monkeypatch.setattr(canary, "replay_dead_letters", refusing)
    take_steps()
    assert count_by_state() == {"succeeded": 2, "queued": 1, "dead": 1}
