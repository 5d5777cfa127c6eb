"""What the surveyor stores of queues and workers is what every process's page shows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Event

import psycopg
import pytest
from django.utils import timezone
from psycopg import sql

from jobs.core.ids import uuid7
from jobs.core.states import State
from jobs.db.session import open_session
from jobs.exporting.page_reading import PARTS, QUEUES, read_page
from jobs.exporting.survey_collector import SurveyCollector
from jobs.models import Batch, DeadLetter, Outbox, QueueStanding
from jobs.services.admission.admit import expected_of
from jobs.services.admission.queues import forget_queues, queues
from jobs.services.admission.survey_reads import SurveyedQueue
from jobs.services.admission.surveyor import QueueSurveyor
from models_registry.models import RegisteredModel
from tests.support.factories import make_job, make_jobs, make_version, make_worker


def survey(times: int = 1) -> None:
    surveyor = QueueSurveyor(stop=Event())
    with open_session() as session:
        for _ in range(times):
            surveyor.survey(session)


def queues_read() -> list[SurveyedQueue]:
    queues: list[SurveyedQueue] = dict(read_page())[QUEUES]
    return queues


def names_shown() -> list[str]:
    return [metric.name for metric in SurveyCollector().collect()]


def bury(model: str, *, discarded: bool = False) -> None:
    job = make_job(model=model, state=State.DEAD)
    DeadLetter.objects.filter(job=job).update(discarded_at=timezone.now() if discarded else None)


def test_workers_are_busy_idle_or_silent_and_the_goal_is_the_default_version_s(db: str) -> None:
    version = make_version("echo", p95_goal_s=1.5)
    busy, _idle = make_worker("gpu-0@here"), make_worker("gpu-1@here")
    make_worker("gpu-2@here", heartbeat_at=timezone.now() - timedelta(minutes=5))
    make_worker("gpu-3@here", ended_at=timezone.now())
    now = timezone.now()
    Batch.objects.create(
        id=uuid7(int(now.timestamp() * 1000), 1), worker=busy, version_id=version.id, members=[], size=3,
        padded_size=3, seal_reason="full", claimed_at=now,
    )  # fmt: skip
    make_jobs(7, priority=4)
    for discarded in (False, False, True):
        bury("echo", discarded=discarded)
    survey(2)
    (row,) = [row for row in queues_read() if row.queue == "echo"]
    assert (row.waiting[4], row.workers, row.busy, row.silent) == (7, 2, 1, 1)
    assert (row.goal_s, row.dead_letters, row.workers_wanted) == (1.5, 2, 2), "both run on for the cooldown"
    assert (row.per_s, row.arrivals_per_s) == (None, 0.0)
    assert row.age_s < 5


def test_a_model_without_jobs_and_workers_has_a_row_and_no_worker_is_wanted(db: str) -> None:
    make_version("alone")
    survey()
    (row,) = [row for row in queues_read() if row.queue == "alone"]
    assert (sum(row.waiting), row.workers, row.workers_wanted, row.dead_letters) == (0, 0, 0, 0)
    RegisteredModel.objects.create(name="bare")
    survey()
    assert QueueStanding.objects.get(model="bare").goal_s is None


def test_a_table_that_is_locked_delays_a_page_by_a_second_at_most_and_leaves_its_figures_out(db: str) -> None:
    make_version("echo")
    survey()
    with locked("jobs_queuestanding", db):
        with pytest.raises((psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled)):
            queues_read()
        began = timezone.now()
        assert names_shown() == ["inference_database_up", "inference_page_unread"]
        assert timezone.now() - began < timedelta(seconds=2)
    assert len(names_shown()) == 15


@contextmanager
def locked(table: str, url: str) -> Iterator[None]:
    with psycopg.connect(url) as session:
        session.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(sql.Identifier(table)))
        yield
        session.rollback()


def test_a_slow_lane_is_counted_by_itself_with_the_workers_that_take_it(db: str) -> None:
    make_version("echo", p95_goal_s=1.5)
    slow = make_version("echo", "slow", options={"lane": "slow"})
    sized = make_version("echo", "sized", padded=True, options={"slow_above_s": 1.0})
    both = make_worker("gpu-0@here")
    for number, lane in enumerate(("fast", "slow"), 1):
        make_worker(f"gpu-{number}@here", lane=lane)
    now = timezone.now()
    for number, (size, ran_s) in enumerate([(100, 0.3), (400, 1.2), (200, 0.6)], 1):
        Batch.objects.create(
            id=uuid7(int(now.timestamp() * 1000), number), worker=both, version_id=sized.id, members=[],
            size=1, padded_size=size, seal_reason="full", claimed_at=now, finished_at=now, ran_s=ran_s,
        )  # fmt: skip
    Batch.objects.create(
        id=uuid7(int(now.timestamp() * 1000), 9), worker=both, version_id=slow.id, members=[], size=3,
        padded_size=3, seal_reason="full", claimed_at=now, slow=True,
    )  # fmt: skip
    jobs = make_jobs(4, version=slow)
    Outbox.objects.filter(job__in=jobs).update(model="echo.slow")
    make_jobs(2)
    survey(2)
    rows = {row.model: row for row in QueueStanding.objects.filter(model__startswith="echo")}
    own, other = rows["echo"], rows["echo.slow"]
    assert (sum(own.waiting), own.workers, own.busy, own.goal_s) == (2, 2, 0, 1.5)
    assert (sum(other.waiting), other.workers, other.busy, other.goal_s) == (4, 2, 1, None)
    assert own.slow_from == {str(slow.id): 0, str(sized.id): 334}
    assert other.slow_from == {}


def test_a_job_s_place_is_that_in_its_own_queue(db: str) -> None:
    make_version("echo")
    slow = make_version("echo", "slow", options={"lane": "slow"})
    jobs = make_jobs(5, version=slow)
    Outbox.objects.filter(job__in=jobs).update(model="echo.slow")
    make_jobs(2)
    survey(2)
    forget_queues()
    assert queues.queue_of("echo", slow.id, 1) == "echo.slow"
    client = jobs[0].client_id
    for model, version, ahead in (("echo", "1", 2), ("echo", "slow", 5)):
        expected = expected_of(model, version, 4, client, age_s=0.0, job=jobs[0].id)
        assert expected is not None
        assert expected.position == ahead


def test_a_table_of_drift_that_is_locked_leaves_its_figures_out_alone(db: str) -> None:
    make_version("echo")
    survey()
    with locked("jobs_drifthour", db):
        read = dict(read_page())
    assert "drift" not in read
    assert read.keys() == {QUEUES, *PARTS} - {"drift"}
    assert [row.queue for row in read[QUEUES]] == ["echo"]


def test_several_tables_that_are_locked_do_not_say_that_the_database_is_away(db: str) -> None:
    make_version("echo")
    survey()
    with (
        locked("jobs_drifthour", db),
        locked("models_registry_flag", db),
        locked("models_registry_rollout", db),
    ):
        collector = SurveyCollector()
        (up, unread, *_) = collector.collect()
        assert [sample.value for sample in up.samples] == [1]
        thread = collector._thread
        assert thread is not None
        thread.join(30)
        (up, unread, *_) = collector.collect()
    values = {sample.labels["part"]: sample.value for sample in unread.samples}
    assert {part for part, value in values.items() if value} >= {"drift", "flags", "rollouts"}
    assert values["copies"] == 0
    assert [sample.value for sample in up.samples] == [1]
