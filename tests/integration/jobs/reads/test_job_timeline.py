"""The cause of a job's longest wait is found in the rows that are there, each planted here."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from jobs.core.cause import Cause
from jobs.core.circuits.paused_work import PauseKind
from jobs.core.ids import uuid7
from jobs.core.states import State
from jobs.core.timeline.attempt_marks import JobStage
from jobs.db.leases import RELAY_SEEN
from jobs.models import (
    Batch,
    Circuit,
    DeadLetter,
    Event,
    Follower,
    Job,
    JobResult,
    Lease,
    Outage,
    Outbox,
    Worker,
    WorkPause,
)
from jobs.services.circuits.pause_work import pause as begin_pause
from jobs.services.circuits.pause_work import resume
from jobs.services.reads.job_timeline import JobTimeline, read_timeline, timeline_view
from models_registry import selectors
from models_registry.models import ModelVersion, VersionLoad
from tests.support.factories import make_client, make_job, make_version, make_worker

TOOK_S = 100.0
NUMBERS = count()


@pytest.fixture
def now(db: str) -> datetime:
    selectors.forget()
    return timezone.now()


@pytest.fixture
def worker(now: datetime) -> Worker:
    return served(now, -3_600.0)


def served(now: datetime, from_s: float, **fields: Any) -> Worker:
    """Return a worker that lives since `from_s` seconds from now."""
    row = make_worker(f"gpu-{next(NUMBERS)}@tests", **fields)
    Worker.objects.filter(pk=row.pk).update(started_at=now + timedelta(seconds=from_s))
    return row


def batch_id(claimed_at: datetime) -> UUID:
    return uuid7(int(claimed_at.timestamp() * 1_000), uuid4().int)


def claimed(worker: Worker, jobs: list[Job], at: datetime, **columns: Any) -> Batch:
    """Return a batch that was claimed at `at`, and ran a second."""
    batch = Batch.objects.create(
        id=batch_id(at), worker=worker, version=jobs[0].version, members=[job.id for job in jobs],
        size=len(jobs), **{"seal_reason": "full", **columns},
    )  # fmt: skip
    Batch.objects.filter(pk=batch.pk).update(claimed_at=at, finished_at=at + timedelta(seconds=1))
    return batch


def ended(now: datetime, worker: Worker, stages: dict[str, float], **columns: Any) -> Job:
    """Return a job of 100 s that ended now; `stages` are their seconds, and the outbox has the rest."""
    row = {
        name: columns.pop(name)
        for name in ("priority", "size", "client", "version", "epoch")
        if name in columns
    }
    job = make_job(state=State.SUCCEEDED, **row)
    after = {name: stages.get(name, 0.0) for name in ("claim", "lane", "run", "settle")}
    claim = now - timedelta(seconds=sum(after.values()))
    sealed_s = TOOK_S - sum(after.values())
    batch = claimed(
        worker, [job], claim, sealed_ago_s=0.0, buffered_s=[stages.get("buffer", 0.0)],
        due_ago_s=[sealed_s - stages.get("backoff", 0.0)],
        published_ago_s=[stages.get("buffer", 0.0) + stages.get("broker", 0.0)],
        claim_s=after["claim"], lane_s=after["lane"], ran_s=after["run"], **columns,
    )  # fmt: skip
    created = now - timedelta(seconds=TOOK_S)
    Job.objects.filter(pk=job.pk).update(
        created_at=created,
        started_at=claim,
        finished_at=now,
        batch=batch,
        **{"epoch": 1, "attempts": 1} | row,
    )
    job.refresh_from_db()
    return job


def read(job: Job) -> JobTimeline:
    timeline = read_timeline(job.pk)
    assert timeline is not None
    every = [part for attempt in timeline.attempts for part in attempt.parts]
    assert sum(part.seconds for part in every) == pytest.approx(timeline.seconds, abs=0.005)
    assert all(timeline.sentence(attempt, part) for attempt in timeline.attempts for part in attempt.parts)
    return timeline


def ago(now: datetime, seconds: float) -> datetime:
    return now - timedelta(seconds=seconds)


def outage(now: datetime, kind: str, **fields: Any) -> None:
    Outage.objects.create(kind=kind, began_at=ago(now, 95), until=ago(now, 35), **fields)


def jobs_before(now: datetime, worker: Worker, **columns: Any) -> None:
    jobs = [make_job(state=State.SUCCEEDED, **columns) for _ in range(3)]
    claimed(worker, jobs, ago(now, 30))


Plant = Callable[[datetime, Worker], Any]


def broken_circuit(now: datetime, _worker: Worker) -> None:
    version = make_version()
    for state, seconds in (("open", 90.0), ("half_open", 40.0), ("closed", 20.0)):
        event = Event.objects.create(
            kind="circuit", detail={"version": version.pk, "client": 0, "state": state}
        )
        backdate(event, ago(now, seconds))


def backdate(event: Event, at: datetime) -> None:
    """Write an event's time, which a trigger refuses elsewhere."""
    from django.db import connection, transaction

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("UPDATE jobs_event SET at = %s WHERE id = %s", [at, event.pk])


@pytest.mark.parametrize(
    ("cause", "plant"),
    [
        (Cause.BACKLOG, jobs_before),
        (Cause.PRIORITY, lambda now, worker: jobs_before(now, worker, priority=9)),
        (Cause.FAIR_SHARE, lambda now, worker: jobs_before(now, worker, client=make_client("others"))),
        (Cause.CIRCUIT, broken_circuit),
        (Cause.RETRY_BUDGET, lambda now, _: outage(now, "retry_budget", model="echo")),
        (Cause.BROKER, lambda now, _: outage(now, "broker")),
        (Cause.DATABASE, lambda now, _: outage(now, "database")),
        (
            Cause.COLD_MODEL,
            lambda now, worker: outage(now, "cold_model", version=make_version().pk, node=worker.node),
        ),
    ],
)
@pytest.mark.parametrize("stage", ["outbox", "broker", "buffer"])
def test_what_held_a_job_before_its_claim_is_its_cause(
    now: datetime, worker: Worker, stage: str, cause: Cause, plant: Plant
) -> None:
    busy = claimed(worker, [make_job(state=State.SUCCEEDED, model="other")], ago(now, 100.5))
    Batch.objects.filter(pk=busy.pk).update(finished_at=ago(now, 10))
    job = ended(now, worker, {stage: 95.0, "run": 5.0})
    plant(now, worker)
    timeline = read(job)
    assert timeline.attempts[0].longest.part == stage
    assert (timeline.cause, bool(timeline.explanation)) == (cause, True)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [("retry_budget", {"model": "other"}), ("cold_model", {"version": 0, "node": "elsewhere@tests"})],
)
def test_what_held_others_only_is_not(
    now: datetime, worker: Worker, kind: str, fields: dict[str, Any]
) -> None:
    job = ended(now, worker, {"broker": 95.0})
    outage(now, kind, **fields)
    assert read(job).cause is Cause.BACKLOG


@pytest.mark.parametrize(
    ("stages", "columns", "cause"),
    [
        ({"buffer": 95.0}, {"seal_reason": "linger"}, Cause.LINGER),
        ({"buffer": 95.0}, {"seal_reason": "full"}, Cause.BATCHMATES),
        ({"broker": 95.0}, {"isolation_group": 3}, Cause.QUARANTINE),
        ({"claim": 95.0}, {}, Cause.DATABASE),
        ({"lane": 95.0}, {}, Cause.BACKLOG),
        ({"run": 95.0}, {}, Cause.MODEL),
        ({"settle": 95.0}, {}, Cause.SETTLE),
    ],
)
def test_other_stages_have_causes_of_their_own(
    now: datetime, worker: Worker, stages: dict[str, float], columns: dict[str, Any], cause: Cause
) -> None:
    assert read(ended(now, worker, stages, **columns)).cause is cause


def test_a_short_job_among_long_ones_ran_long_for_its_batchmates(now: datetime, worker: Worker) -> None:
    padded = make_version("echo", "pads", padded=True)
    job = ended(now, worker, {"run": 95.0}, version=padded, size=10, padded_size=300)
    assert read(job).cause is Cause.BATCHMATES
    alone = ended(now, worker, {"run": 95.0}, version=padded, size=10, padded_size=10)
    assert read(alone).cause is Cause.MODEL


@pytest.mark.parametrize("models", [["echo"], ["echo:1", "other"], ["echo@default"]])
def test_a_job_without_a_live_worker_waited_for_one(now: datetime, models: list[str]) -> None:
    gone = served(now, -3_600.0, model_names=models, ended_at=ago(now, 99), heartbeat_at=ago(now, 99))
    late = served(now, -10.0, model_names=models)
    job = ended(now, late, {"broker": 95.0})
    assert read(job).cause is Cause.NO_WORKER
    Worker.objects.filter(pk=gone.pk).update(ended_at=None, heartbeat_at=now)
    assert read(job).cause is Cause.BACKLOG


def test_a_worker_of_another_model_is_none(now: datetime) -> None:
    job = ended(now, served(now, -3_600.0, model_names=["other"]), {"broker": 95.0})
    assert read(job).cause is Cause.NO_WORKER


def test_a_retry_that_waited_for_its_time_says_so(now: datetime, worker: Worker) -> None:
    job = ended(now, worker, {"backoff": 90.0, "broker": 2.0}, epoch=2)
    first = claimed(worker, [job], ago(now, 99))
    detail = {"batch": str(first.pk), "code": "busy", "attempt": 1, "delay_s": 80.0}
    backdate(Event.objects.create(job=job, kind="failed", actor="worker", detail=detail), ago(now, 98))
    timeline = read(job)
    assert timeline.cause is Cause.BACKOFF
    assert [attempt.outcome for attempt in timeline.attempts] == ["failed", "succeeded"]
    assert timeline.attempts[1].parts[0].part is JobStage.BACKOFF


def test_a_job_that_still_waits_has_a_cause_and_open_stages(now: datetime, worker: Worker) -> None:
    job = make_job(published=1, created_at=ago(now, 50))
    Job.objects.filter(pk=job.pk).update(created_at=ago(now, 50))
    Outbox.objects.filter(pk=job.pk).update(since=ago(now, 50), published_at=ago(now, 49))
    jobs_before(now, worker, priority=9)
    timeline = read(job)
    last = timeline.attempts[-1].parts[-1]
    assert (timeline.cause, last.part, last.is_open) == (Cause.PRIORITY, JobStage.BROKER, True)
    Worker.objects.update(model_names=["x"])
    assert read(job).cause is Cause.NO_WORKER
    Outbox.objects.filter(pk=job.pk).update(isolation_group=2)
    Worker.objects.update(model_names=["echo"])
    assert read(job).cause is Cause.QUARANTINE


def test_a_job_that_waits_for_the_first_load_of_its_version_waits_for_that(
    now: datetime, worker: Worker
) -> None:
    job = make_job()
    Job.objects.filter(pk=job.pk).update(created_at=ago(now, 50))
    Outbox.objects.filter(pk=job.pk).update(since=ago(now, 50))
    VersionLoad.objects.create(node=worker.node, version=job.version, state="loading", since=ago(now, 49))
    assert read(job).cause is Cause.COLD_MODEL
    other = served(now, -3_600.0)
    VersionLoad.objects.create(node=other.node, version=job.version, state="ready", since=ago(now, 500))
    assert read(job).cause is Cause.BACKLOG


def test_an_open_circuit_holds_what_waits(now: datetime, worker: Worker) -> None:
    job = make_job()
    Job.objects.filter(pk=job.pk).update(created_at=ago(now, 50))
    Outbox.objects.filter(pk=job.pk).update(since=ago(now, 50))
    Circuit.objects.create(version=job.version, client=job.client_id, state="open", since=ago(now, 45))
    assert read(job).cause is Cause.CIRCUIT
    Circuit.objects.update(client=job.client_id + 1)
    assert read(job).cause is Cause.BACKLOG


PAUSED = ("model", "version", "client")


def paused_rows(job: Job) -> dict[str, int]:
    return {"model": job.version.model_id, "version": job.version_id, "client": job.client_id}


@pytest.mark.parametrize("kind", PAUSED)
def test_what_is_paused_holds_what_was_not_published(now: datetime, worker: Worker, kind: str) -> None:
    job = make_job()
    Job.objects.filter(pk=job.pk).update(created_at=ago(now, 50))
    Outbox.objects.filter(pk=job.pk).update(since=ago(now, 50))
    target = paused_rows(job)[kind]
    pause = WorkPause.objects.create(kind=kind, target=target, name="x", reason="y", actor="z")
    WorkPause.objects.update(since=ago(now, 45))
    timeline = read(job)
    assert (timeline.cause, "paused" in timeline.explanation) == (Cause.PAUSED, True)
    Worker.objects.update(model_names=["x"])
    assert read(job).cause is Cause.PAUSED, "to start a worker would not help"
    Worker.objects.update(model_names=["echo"])
    Outbox.objects.filter(pk=job.pk).update(published=1, published_at=ago(now, 44))
    assert read(job).cause is Cause.BACKLOG, "what was published goes on"
    Outbox.objects.filter(pk=job.pk).update(published=0)
    WorkPause.objects.filter(pk=pause.pk).update(target=target + 1_000)
    assert read(job).cause is Cause.BACKLOG


@pytest.mark.parametrize("kind", PAUSED)
def test_a_pause_that_is_over_is_still_the_cause(now: datetime, worker: Worker, kind: str) -> None:
    job = ended(now, worker, {"outbox": 95.0, "run": 5.0})
    name = {"model": "echo", "version": "echo:1", "client": "tests"}[kind]
    begin_pause(kind=PauseKind(kind), name=name, reason="y", actor="z")
    WorkPause.objects.update(since=ago(now, 90))
    resume(kind=PauseKind(kind), name=name, actor="z")
    assert read(job).cause is Cause.PAUSED
    other = ended(now, worker, {"outbox": 95.0}, version=make_version("other"), client=make_client("other"))
    Job.objects.filter(pk=other.pk).update(model="other")
    assert read(other).cause is not Cause.PAUSED


def test_a_time_without_a_relay_is_no_backlog(now: datetime, worker: Worker) -> None:
    job = make_job()
    Job.objects.filter(pk=job.pk).update(created_at=ago(now, 50))
    Outbox.objects.filter(pk=job.pk).update(since=ago(now, 50))
    jobs_before(now, worker)
    assert read(job).cause is Cause.BACKLOG, "no relay has ever left a mark"
    seen = Lease.objects.create(name=RELAY_SEEN, holder=uuid4(), fence=0)
    Lease.objects.update(taken_at=now)
    assert read(job).cause is Cause.BACKLOG
    Lease.objects.filter(pk=seen.pk).update(taken_at=ago(now, 48))
    assert read(job).cause is Cause.NO_RELAY
    Lease.objects.filter(pk=seen.pk).update(taken_at=now)
    outage(now, "no_relay")
    assert read(ended(now, worker, {"outbox": 95.0})).cause is Cause.NO_RELAY
    assert read(ended(now, worker, {"broker": 95.0})).cause is Cause.BACKLOG, "it was published"


def test_a_version_that_no_worker_could_load_waits_for_that(now: datetime, worker: Worker) -> None:
    job = make_job()
    Job.objects.filter(pk=job.pk).update(created_at=ago(now, 50))
    Outbox.objects.filter(pk=job.pk).update(since=ago(now, 50))
    Worker.objects.update(model_names=[])  # it leaves the model to others meanwhile
    assert read(job).cause is Cause.NO_WORKER
    VersionLoad.objects.create(node=worker.node, version=job.version, state="failed", since=ago(now, 49))
    assert read(job).cause is Cause.COLD_MODEL
    other = served(now, -3_600.0)
    assert read(job).cause is Cause.COLD_MODEL
    VersionLoad.objects.create(node=other.node, version=job.version, state="ready", since=ago(now, 500))
    assert read(job).cause is Cause.BACKLOG


def test_followers_and_cache_hits_name_the_job_that_ran(now: datetime) -> None:
    leader = make_job(state=State.RUNNING)
    waits = make_job()
    Outbox.objects.filter(pk=waits.pk).delete()
    Follower.objects.create(job=waits, leader=leader.pk, key=b"k" * 32, priority=4)
    answered, buried = make_job(state=State.SUCCEEDED), make_job(state=State.DEAD)
    JobResult.objects.filter(pk=answered.pk).update(source=leader.pk)
    DeadLetter.objects.filter(pk=buried.pk).update(reason=f"it followed job {leader.pk}, which died: x")
    for job, open_ in ((waits, True), (answered, False), (buried, False)):
        timeline = read(job)
        assert timeline.cause is Cause.FOLLOWS
        assert timeline.attempts[-1].parts[-1].is_open is open_
        assert timeline.job.leader == (None if job is buried else leader.pk)


@pytest.mark.parametrize("state", [State.CANCELLED, State.EXPIRED])
def test_what_ended_before_it_ran_waited_until_then(now: datetime, worker: Worker, state: State) -> None:
    job = make_job(state=state)
    Job.objects.filter(pk=job.pk).update(created_at=ago(now, 50), finished_at=now)
    timeline = read(job)
    (part,) = timeline.attempts[0].parts
    assert (part.part, part.seconds, part.is_open) == (JobStage.OUTBOX, 50.0, False)
    assert "Then " in timeline.sentence(timeline.attempts[0], part)


def test_a_job_that_runs_says_for_how_long(now: datetime) -> None:
    job = make_job(state=State.RUNNING)
    timeline = read(job)
    last = timeline.attempts[-1].parts[-1]
    assert (last.part, last.is_open) == (JobStage.RUN, True)


def test_a_pruned_job_shows_what_is_left(now: datetime, worker: Worker) -> None:
    job = ended(now, worker, {"broker": 95.0})
    rows: Any = Batch.objects.all()
    rows._raw_delete(rows.db)  # as retention does, which knows no foreign keys
    timeline = read(job)
    assert timeline.attempts[0].is_pruned
    assert (timeline.cause, "deleted" in timeline.explanation) == (None, True)
    assert read_timeline(uuid4()) is None


def test_where_the_events_of_earlier_attempts_are_gone_the_first_one_that_is_left_says_so(
    now: datetime, worker: Worker
) -> None:
    job = ended(now, worker, {"backoff": 60.0, "broker": 35.0}, epoch=3)
    timeline = read(job)
    view = timeline_view(timeline)
    (attempt,) = view["attempts"]
    assert (view["pruned"], attempt["pruned"], view["cause"]) == (True, True, None)
    assert "deleted" in attempt["stages"][0]["sentence"]
    assert "deleted" in view["explanation"]
    short = ended(now, worker, {"backoff": 20.0, "broker": 75.0}, epoch=3)
    assert timeline_view(read(short))["pruned"]
    assert read(short).cause is Cause.BACKLOG
    cancelled = make_job(state=State.CANCELLED)
    Job.objects.filter(pk=cancelled.pk).update(epoch=2, created_at=ago(now, 50), finished_at=now)
    assert not timeline_view(read(cancelled))["pruned"]


def test_a_version_of_its_own_name_changes_nothing(now: datetime, worker: Worker) -> None:
    version: ModelVersion = make_version("echo", "2")
    job = ended(now, worker, {"broker": 95.0}, version=version)
    broken_circuit(now, worker)
    assert read(job).cause is Cause.BACKLOG, "the circuit is of another version"
