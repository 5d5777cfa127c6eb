"""Progress reports in a batch's row, void claims, and a cancel that reaches a worker's buffer."""

from __future__ import annotations

from threading import Event
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import psycopg
import pytest

from jobs.core.batching.policy import BatchPolicy
from jobs.core.batching.sealed_batch import BatchLimits
from jobs.core.channels import PROGRESSED
from jobs.core.messages.envelope import Envelope
from jobs.core.states import State
from jobs.db.engine import engine
from jobs.models import Batch, Job
from jobs.services.lifecycle.cancel import cancel_job
from jobs.services.lifecycle.progress import ProgressReport, taken_away, write_progress
from jobs.services.lifecycle.replay import replay_job
from jobs.worker.cancels import Cancels
from jobs.worker.message_delivery import MessageDelivery, Parcel
from jobs.worker.stages.buffer import Buffer
from tests.support.factories import make_batch, make_jobs, make_version, make_worker
from tests.support.listening import listening
from tests.support.threads import in_thread
from tests.support.wait import wait_until

LISTENERS = "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'LISTEN jobs_cancelled_%'"
ONE, TWO = ProgressReport(1, 3, 0.5, 'half "way"\n'), ProgressReport(1, 4, 0.75, "")


@pytest.fixture
def jobs(db: str) -> list[UUID]:
    return [UUID(str(job.id)) for job in make_jobs(3)]


@pytest.fixture
def batch(jobs: list[UUID]) -> Batch:
    return make_batch(make_worker(), make_version(), list(Job.objects.filter(id__in=jobs)))


def write(batch: Batch, reports: dict[UUID, ProgressReport]) -> None:
    with engine().begin() as connection:
        write_progress(connection, batch=UUID(str(batch.pk)), reports=reports)


def test_the_newest_report_of_each_job_is_stored_and_notified(
    batch: Batch, jobs: list[UUID], db: str
) -> None:
    with listening(db, PROGRESSED) as payloads:
        write(batch, {jobs[0]: ONE, jobs[1]: ONE})
        write(batch, {jobs[1]: TWO})
    assert payloads == [f"batch:{batch.pk}"] * 2
    progress: Any = Batch.objects.get(pk=batch.pk).progress
    assert progress[str(jobs[0])] == {"epoch": 1, "step": 3, "fraction": 0.5, "message": 'half "way"\n'}
    assert progress[str(jobs[1])]["fraction"] == 0.75


def test_only_jobs_with_a_void_claim_are_withdrawn(batch: Batch, jobs: list[UUID]) -> None:
    held = [(job, 1) for job in jobs]
    with engine().begin() as connection:
        assert taken_away(connection, held=held) == set()
    cancel_job(job_id=jobs[1], actor="test")
    replay_job(job_id=jobs[1], actor="test")
    Job.objects.filter(pk=jobs[1]).update(state=State.RUNNING, epoch=3, batch=batch)  # by another worker
    cancel_job(job_id=jobs[2], actor="test")
    with engine().begin() as connection:
        assert taken_away(connection, held=held) == set(jobs[1:])


class Reporter:
    def __init__(self) -> None:
        self.dropped: list[tuple[UUID, int, State]] = []
        self.changed = Event()

    def refused(self, refused: list[Any]) -> None:
        self.dropped += [(one.delivery.job, one.delivery.envelope.epoch, one.state) for one in refused]
        self.changed.set()


def test_a_cancelled_job_leaves_the_buffer_and_its_replay_does_not(jobs: list[UUID], db: str) -> None:
    policy: BatchPolicy[MessageDelivery] = BatchPolicy(lambda _key: BatchLimits())
    buffer, reporter, looks, stopped = Buffer(policy), Reporter(), Event(), Event()
    messenger: Any = SimpleNamespace(look=looks.set)
    cancels = Cancels(buffer, reporter, messenger, stop=stopped)  # type: ignore[arg-type]  # stands in for one
    with in_thread(cancels.run, stopped):
        wait_until_a_session_listens(db)
        old = [Envelope(job, 0, 1, 4) for job in jobs]
        buffer.add([delivery(envelope) for envelope in [*old, Envelope(jobs[1], 2, 1, 4)]])
        cancel_job(job_id=jobs[1], actor="test")
        assert reporter.changed.wait(20)
        assert looks.wait(20)
    assert reporter.dropped == [(jobs[1], 0, State.CANCELLED)]
    deliveries = buffer.discard(lambda _: True)
    assert sorted((d.job, d.envelope.epoch) for d in deliveries) == sorted(
        [(jobs[0], 0), (jobs[1], 2), (jobs[2], 0)]
    )


def delivery(envelope: Envelope) -> MessageDelivery:
    return MessageDelivery(Parcel(SimpleNamespace(), 1, 1), envelope, task=None)


def wait_until_a_session_listens(db: str) -> None:
    with psycopg.connect(db, autocommit=True) as operator:
        wait_until(lambda: operator.execute(LISTENERS).fetchone(), what="a session that listens")
