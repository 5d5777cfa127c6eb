"""Jobs of cascades that end with an earlier answer: many at once, in a sweep, and after a late failure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from threading import Event as Event_

import psycopg
import pytest
from django.utils import timezone

from jobs.core.cascades.step_ends import StepEnd
from jobs.core.states import State
from jobs.db.session import open_session, transaction
from jobs.models import Event, Job, JobResult, JobStep, Outbox
from jobs.services.lifecycle import sweeper
from jobs.services.lifecycle.cascading.degrade import Fall, degrade
from jobs.services.lifecycle.sweeper import Rescuer, Swept
from tests.support.cascades import (
    FAULT,
    answer,
    claimed,
    job_of,
    light_and_heavy,
    put_cascade,
    ran,
    settled,
    submit,
)
from tests.support.samples import Samples
from tests.support.threads import in_thread
from tests.support.wait import wait_until

WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"


@pytest.fixture(autouse=True)
def _cascade(db: str) -> None:
    assert db
    light_and_heavy()
    put_cascade()


def past() -> None:
    Job.objects.update(deadline=timezone.now() - timedelta(seconds=1))


def test_a_failure_to_be_tried_again_that_comes_late_leaves_the_first_answer() -> None:
    job = submit(deadline_s=60)
    ran(job, answer(0.3, label=4))
    batch = claimed(job_of(job.id))
    past()
    settled(batch, FAULT, again=True)
    assert job_of(job.id).state == State.SUCCEEDED
    row = JobResult.objects.get(job_id=job.id)
    assert (bytes(row.body), row.degraded) == (answer(0.3, label=4).body, True)
    failed, fell = Event.objects.filter(job_id=job.id).order_by("id").exclude(kind__in=["submit", "escalate"])
    assert (failed.kind, failed.epoch, fell.kind, fell.epoch) == ("failed", 3, "degrade", 3)
    assert failed.detail["reason"] == "its deadline passed while it ran"
    assert "delay_s" not in failed.detail, "it is not tried again"


def test_one_that_comes_in_time_ends_no_step() -> None:
    job = submit(deadline_s=60)
    ran(job, answer(0.3))
    assert ran(job, FAULT, again=True).state == State.WAITING
    assert [step.why for step in JobStep.objects.filter(job_id=job.id)] == ["below"]


def test_a_sweep_goes_on_after_a_page_of_jobs_that_have_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeper, "MOST_JOBS", 2)
    jobs = [submit(str(number), deadline_s=60) for number in range(5)]
    for job in jobs[:4]:
        ran(job, answer(0.3))
    first = timezone.now() - timedelta(seconds=60)
    for number, job in enumerate(jobs):
        due = first + timedelta(seconds=number)
        Job.objects.filter(id=job.id).update(deadline=due)
        Outbox.objects.filter(job_id=job.id).update(deadline=due)
    counted = Samples()
    with open_session() as session:
        assert Rescuer(stop=Event_()).sweep(session) == Swept(reaped=0, expired=1)
    assert [job_of(job.id).state for job in jobs] == [*[State.SUCCEEDED] * 4, State.EXPIRED]
    assert counted("inference_job_seconds_count", model="heavy", outcome="succeeded") == 4
    assert counted("inference_job_seconds_count", model="light", outcome="expired") == 1


def has_none_of_the_others(url: str, falls: Callable[[], None]) -> None:
    """Check that `falls`, while it waits for the first of the earlier batches, has locked no other one."""
    batches = sorted(step.batch_id for step in JobStep.objects.all() if step.batch_id)
    begun = Event_()

    def begin() -> None:
        begun.wait()
        falls()

    with in_thread(begin, Event_()), psycopg.connect(url) as other:
        other.execute("SELECT FROM jobs_batch WHERE id = %s FOR UPDATE", [batches[0]])
        begun.set()
        with psycopg.connect(url, autocommit=True) as looks:
            wait_until(lambda: looks.execute(WAITING).fetchone() != (0,))
        # Two of them that have none of the others while they wait cannot wait for each other.
        for batch in batches[1:]:
            other.execute("SELECT FROM jobs_batch WHERE id = %s FOR UPDATE NOWAIT", [batch])
        other.rollback()


def test_earlier_batches_are_locked_in_the_order_of_their_ids(services: dict[str, str]) -> None:
    jobs = [submit(str(number)) for number in range(30)]
    for job in jobs:
        ran(job, answer(0.3))

    def fall() -> None:
        with open_session() as session, transaction(session):
            falls = [Fall(job.id, StepEnd.FAILED) for job in jobs]
            assert len(degrade(session, falls, actor="worker")) == len(jobs)

    has_none_of_the_others(services["DATABASE_URL"], fall)
    assert Job.objects.filter(state=State.SUCCEEDED).count() == len(jobs)


def test_those_of_late_and_of_failed_jobs_are_locked_together(services: dict[str, str]) -> None:
    jobs = [submit(str(number)) for number in range(30)]
    for job in jobs:
        ran(job, answer(0.3))
    batch = claimed(*(job_of(job.id) for job in jobs))
    first = JobStep.objects.order_by("batch_id").first()
    assert first is not None
    late = [job.id for job in jobs if job.id != first.job_id]  # the failed one's batch comes first
    Job.objects.filter(id__in=late).update(deadline=timezone.now() - timedelta(seconds=1))

    def fail() -> None:
        settled(batch, FAULT)

    has_none_of_the_others(services["DATABASE_URL"], fail)
    assert Job.objects.filter(state=State.SUCCEEDED).count() == len(jobs)
    ends = JobStep.objects.filter(body=None).values_list("why", flat=True)
    assert sorted(ends) == ["expired"] * 29 + ["failed"]
