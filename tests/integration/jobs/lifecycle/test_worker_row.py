from datetime import timedelta
from uuid import uuid4

import pytest
import sqlalchemy as sa
from django.utils import timezone

from jobs.models import Worker
from jobs.services.lifecycle import reap as sweep
from jobs.services.lifecycle import worker_row
from jobs.services.lifecycle.claim import claim
from tests.support.claims import batch_row, envelope_of
from tests.support.factories import make_batch, make_job, make_jobs, make_version, make_worker


def alive(worker: Worker) -> bool:
    worker.refresh_from_db()
    return worker.ended_at is None and worker.end_reason == ""


def test_a_silent_worker_with_a_new_heartbeat_is_alive_again(session: sa.Connection) -> None:
    worker = make_worker(heartbeat_at=timezone.now() - timedelta(minutes=5))
    assert sweep.end_silent_workers(session, 15.0) == [worker.node]
    assert not alive(worker)
    assert worker_row.beat(session, worker.id, tuple).known
    assert alive(worker)
    make_batch(worker, make_version(), make_jobs(1))
    assert sweep.orphaned_batches(session, 10) == []


def test_a_worker_that_was_ended_claims_nothing_before_its_next_heartbeat(session: sa.Connection) -> None:
    worker = make_worker(heartbeat_at=timezone.now() - timedelta(minutes=5))
    sweep.end_silent_workers(session, 15.0)
    job = make_job()
    row = batch_row(worker=worker.id)
    assert claim(session, batch=row, envelopes=[envelope_of(job)]) == []
    job.refresh_from_db()
    assert (job.state, job.epoch) == ("queued", 0)
    worker_row.beat(session, worker.id, tuple)
    assert [claimed.job for claimed in claim(session, batch=row, envelopes=[envelope_of(job)])] == [job.id]


@pytest.mark.parametrize("reason", ["replaced", "stopped", worker_row.HUNG])
def test_a_worker_that_ended_otherwise_stays_ended(session: sa.Connection, reason: str) -> None:
    worker = make_worker(ended_at=timezone.now(), end_reason=reason)
    assert not worker_row.beat(session, worker.id, tuple).known
    assert not alive(worker)


def test_a_registration_whose_answer_was_lost_may_be_repeated(session: sa.Connection) -> None:
    incarnation = worker_row.Incarnation(
        uuid4(), "gpu-0@here", "here", 1, "cpu", ("a-model",), "GPU-1", 3, "eu-1a"
    )
    for _ in range(2):
        worker_row.register(session, incarnation)
    row = Worker.objects.get(node=incarnation.node)
    assert alive(row)
    assert (row.device_uuid, row.lanes, row.zone) == ("GPU-1", 3, "eu-1a")


def test_a_heartbeat_has_the_device_s_memory_and_forgets_it_where_it_is_not_known(
    session: sa.Connection,
) -> None:
    worker = make_worker()
    session.commit()
    for memory in (worker_row.DeviceMemory(31_400_000_000, 141_000_000_000), worker_row.UNKNOWN_MEMORY):
        assert worker_row.beat(session, worker.id, tuple, memory).known
        session.commit()
        worker.refresh_from_db()
        assert (worker.memory_used_bytes, worker.memory_total_bytes) == memory
