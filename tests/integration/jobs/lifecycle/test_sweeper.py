from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from math import log2
from threading import Event
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from django.utils import timezone

from jobs import metrics
from jobs.core.states import State
from jobs.db import leases
from jobs.db.leases import HeldLeases
from jobs.db.session import open_session, transaction
from jobs.models import Batch, DeadLetter, Job, JobInput, Outbox, Worker
from jobs.services.lifecycle.claim import claim
from jobs.services.lifecycle.overdue import expire
from jobs.services.lifecycle.sweeper import LONGEST_GAP_S, STALE_S, Rescuer, Swept
from tests.support.claims import batch_row, envelope_of
from tests.support.collector import collecting, traced_here
from tests.support.factories import make_batch, make_job, make_jobs, make_version, make_worker
from tests.support.listening import listening
from tests.support.samples import Samples
from tests.support.threads import in_thread
from tests.support.wait import wait_until

PAST = timedelta(minutes=5)
HAVE_TRIED = sa.text("""
SELECT count(*) FROM pg_stat_activity WHERE state = 'idle' AND query LIKE '%jobs_lease AS lease JOIN%'
""")


class Clock:
    """A clock that the test moves."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sweeper(clock: Clock) -> Rescuer:
    return Rescuer(stop=Event(), clock=clock)


def running_jobs(count: int, **worker: Any) -> tuple[list[Job], Batch]:
    jobs = make_jobs(count)
    return jobs, make_batch(make_worker(**worker), make_version(), jobs)


def states(jobs: list[Job]) -> set[tuple[str, int, int]]:
    rows = Job.objects.filter(id__in=[job.id for job in jobs])
    return set(rows.values_list("state", "epoch", "attempts"))


def test_the_jobs_of_an_ended_worker_are_queued_again_uncharged_and_apart_in_halves(
    session: sa.Connection, sweeper: Rescuer
) -> None:
    jobs, batch = running_jobs(3, ended_at=timezone.now())
    assert sweeper.sweep(session) == Swept(reaped=3, expired=0)
    assert states(jobs) == {("queued", 2, 0)}
    assert set(Outbox.objects.values_list("epoch", "published")) == {(2, 0)}
    groups = Counter(Outbox.objects.values_list("isolation_group", flat=True))
    assert sorted(groups.values()) == [1, 2]
    assert min(groups) > 0
    batch.refresh_from_db()
    assert (batch.finished_at is not None, batch.released) == (True, 3)


def test_the_batch_of_a_living_worker_is_not_reaped(session: sa.Connection, sweeper: Rescuer) -> None:
    jobs, _ = running_jobs(2)
    assert sweeper.sweep(session).reaped == 0
    assert states(jobs) == {("running", 1, 1)}


def test_a_stale_heartbeat_counts_only_once_the_sweeper_saw_the_database_up_that_long(
    session: sa.Connection, sweeper: Rescuer, clock: Clock
) -> None:
    jobs, batch = running_jobs(2, heartbeat_at=timezone.now() - PAST)
    for _ in range(int(STALE_S)):
        assert sweeper.sweep(session).reaped == 0
        clock.now += 1
    assert sweeper.sweep(session).reaped == 2
    assert Worker.objects.get(id=batch.worker_id).end_reason == "silent"
    assert states(jobs) == {("queued", 2, 0)}


def test_a_pause_of_the_sweeper_itself_starts_the_wait_again(
    session: sa.Connection, sweeper: Rescuer, clock: Clock
) -> None:
    running_jobs(1, heartbeat_at=timezone.now() - PAST)
    sweeper.sweep(session)
    clock.now += STALE_S + LONGEST_GAP_S
    assert sweeper.sweep(session).reaped == 0


@pytest.mark.parametrize(
    ("reason", "kind"), [("silent", "crash"), ("hung", "timeout"), ("device_lost", "crash")]
)
def test_a_job_alone_in_its_batch_on_its_last_attempt_is_buried_for_killing_its_worker(
    session: sa.Connection, sweeper: Rescuer, reason: str, kind: str
) -> None:
    jobs = make_jobs(2)
    worker = make_worker(ended_at=timezone.now(), end_reason=reason)
    for job in jobs:
        make_batch(worker, make_version(), [job], isolation_group=7)
    Job.objects.filter(id=jobs[0].id).update(attempts=3, max_attempts=3)
    counted = Samples()
    assert sweeper.sweep(session).reaped == 2
    assert states(jobs[:1]) == {("dead", 2, 3)}
    letter = DeadLetter.objects.get(job=jobs[0])
    assert (letter.kind, letter.epoch) == (kind, 2)
    assert (letter.code == "device_lost") is (reason == "device_lost")
    assert counted("inference_job_seconds_count", model="echo", outcome="dead") == 1
    for name in ("inference_job_deaths_total", "inference_job_retries_total"):
        assert counted(name, kind=kind, code=letter.code) == 1
    assert not Outbox.objects.filter(job=jobs[0]).exists()
    assert states(jobs[1:]) == {("queued", 2, 1)}
    assert Outbox.objects.get(job=jobs[1]).isolation_group > 0


@pytest.mark.parametrize("size", [1, 2, 7, 8, 64])
def test_a_killer_is_isolated_within_two_log_two_deaths_and_its_neighbours_are_not_charged(
    session: sa.Connection, sweeper: Rescuer, size: int
) -> None:
    jobs = make_jobs(size)
    killer, neighbours, deaths = jobs[size // 2].id, set[UUID](), 0
    waiting = [(0, [job.id for job in jobs])]
    while waiting:
        isolation_group, ids = waiting.pop()
        claimed = claim_all(session, ids, isolation_group)
        if killer not in ids:
            assert claimed == dict.fromkeys(ids, 1)
            neighbours |= set(ids)
            continue
        deaths += 1
        Worker.objects.update(ended_at=timezone.now())
        sweeper.sweep(session)
        if len(ids) == 1 and isolation_group:
            break
        waiting = groups_of(ids) + waiting
    assert neighbours | {killer} == {job.id for job in jobs} or waiting
    assert deaths <= 2 * log2(size) + 2  # the last two: its own in company of one, and alone
    assert Job.objects.get(id=killer).attempts == 1


def claim_all(session: sa.Connection, ids: list[UUID], isolation_group: int) -> dict[UUID, int]:
    """Claim the jobs as one batch of a new worker; return their attempts."""
    jobs = Job.objects.filter(id__in=ids)
    envelopes = [envelope_of(job, isolation_group=isolation_group) for job in jobs]
    batch = batch_row(worker=make_worker().id, isolation_group=isolation_group)
    with transaction(session):
        return {job.job: job.attempts for job in claim(session, batch=batch, envelopes=envelopes)}


def groups_of(ids: list[UUID]) -> list[tuple[int, list[UUID]]]:
    groups: dict[int, list[UUID]] = {}
    for job, isolation_group in Outbox.objects.filter(job_id__in=ids).values_list(
        "job_id", "isolation_group"
    ):
        groups.setdefault(isolation_group, []).append(job)
    return list(groups.items())


def test_reap_touches_only_jobs_whose_batch_is_still_that_batch(
    session: sa.Connection, sweeper: Rescuer
) -> None:
    jobs, _ = running_jobs(2, ended_at=timezone.now())
    make_batch(make_worker(node="gpu-1@tests"), make_version(), jobs[:1])
    assert sweeper.sweep(session).reaped == 1
    assert states(jobs[:1]) == {("running", 1, 1)}


def test_jobs_settled_before_the_reap_stay_settled(session: sa.Connection, sweeper: Rescuer) -> None:
    jobs, _ = running_jobs(1, ended_at=timezone.now())
    Job.objects.update(state=State.SUCCEEDED, finished_at=timezone.now())
    assert sweeper.sweep(session).reaped == 0
    assert states(jobs) == {("succeeded", 1, 1)}


@pytest.mark.parametrize("state", [State.QUEUED, State.WAITING])
def test_a_job_that_waits_past_its_deadline_expires_and_leaves_the_outbox(
    session: sa.Connection, sweeper: Rescuer, services: dict[str, str], state: State
) -> None:
    late = make_job(state=state, deadline=timezone.now() - PAST)
    early = make_job(state=state, deadline=timezone.now() + PAST)
    counted = Samples()
    with listening(services["DATABASE_URL"]) as payloads:
        assert sweeper.sweep(session) == Swept(reaped=0, expired=1)
    assert counted("inference_job_seconds_count", model="echo", outcome="expired") == 1
    assert payloads == [f"job:{late.id}"]
    assert states([late]) == {("expired", 1, 0)}
    assert list(Outbox.objects.values_list("job_id", flat=True)) == [early.id]


def test_a_job_claimed_in_the_meantime_does_not_expire(session: sa.Connection) -> None:
    jobs = make_jobs(1, deadline=timezone.now() - PAST)
    make_batch(make_worker(), make_version(), jobs)
    with transaction(session):
        assert expire(session, [jobs[0].id]).all == []
    assert states(jobs) == {("running", 1, 1)}


def test_only_the_sweeping_process_sets_the_metric_of_the_last_sweep(session: sa.Connection) -> None:
    metrics.SWEEP_LAST.set(0)
    with open_session() as other:
        assert HeldLeases(other, leases.SWEEPER, lease_s=300.0).take(leases.SWEEPER)
        with sweeping():
            wait_until(lambda: session.execute(HAVE_TRIED).scalar_one() == 1)
            assert metrics.SWEEP_LAST._value.get() == 0
            other.close()
            wait_until(lambda: metrics.SWEEP_LAST._value.get() > 0)


def test_a_sweeper_outlives_its_connection_and_sweeps_again(session: sa.Connection) -> None:
    metrics.SWEEP_LAST.set(0)
    with sweeping():
        wait_until(lambda: metrics.SWEEP_LAST._value.get() > 0)
        failed = metrics.SWEEP_FAILED._value.get()
        others = "pid <> pg_backend_pid() AND application_name = 'jobs-loop'"
        session.exec_driver_sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")
        wait_until(lambda: metrics.SWEEP_FAILED._value.get() > failed)
        metrics.SWEEP_LAST.set(0)
        wait_until(lambda: metrics.SWEEP_LAST._value.get() > 0)


@contextmanager
def sweeping() -> Iterator[None]:
    """Have a sweeper run in a thread for as long as the block lasts."""
    stop = Event()
    with in_thread(Rescuer(stop=stop).run, stop):
        yield


def test_more_than_one_chunk_expires_in_one_sweep(session: sa.Connection, sweeper: Rescuer) -> None:
    make_jobs(1_100, deadline=timezone.now() - PAST)
    assert sweeper.sweep(session).expired == 1_100
    assert not Outbox.objects.exists()


PLACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_the_trace_of_a_job_has_the_attempt_that_died_and_an_expiry(
    session: sa.Connection, sweeper: Rescuer, clock: Clock
) -> None:
    (lost, untraced), batch = running_jobs(2, ended_at=timezone.now())
    (late,) = make_jobs(1, deadline=timezone.now() - PAST)
    JobInput.objects.filter(job__in=[lost, late]).update(traceparent=PLACE)
    with collecting() as collector, traced_here(collector):
        sweeper.sweep(session)
    spans = {span.attributes["messaging.message.id"]: span for span in collector.named("infer echo")}
    assert spans.keys() == {str(lost.id), str(late.id)}, f"{untraced} is not traced"
    assert {f"00-{span.trace}-{span.parent}-01" for span in spans.values()} == {PLACE}
    died, expired = spans[str(lost.id)].attributes, spans[str(late.id)].attributes
    assert (died["error.type"], died["inference.outcome"]) == ("worker_lost", "queued")
    assert died["inference.batch"] == str(batch.id)
    assert (expired["error.type"], expired["inference.outcome"]) == ("deadline", "expired")
    assert Outbox.objects.get(job=lost).traceparent == PLACE, "the next attempt is in the same trace"
    process = collector.one("process infer.echo")
    assert process.links == [tuple(PLACE.split("-")[1:3])], "the batch of the worker that died has a span"
    assert spans[str(lost.id)].links == [process.place]
    assert (process.failed, process.attributes["messaging.batch.message_count"]) == (True, 2)
    assert process.began_ns < process.ended_ns
