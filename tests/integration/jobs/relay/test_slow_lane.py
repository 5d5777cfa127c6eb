"""The relay publishes slow jobs through the queue of their model's slow lane, with a depth of its own."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import pytest
import sqlalchemy as sa
from amqp.exceptions import NotFound
from django.db.models.functions import Now

from jobs.broker import broker_queues, topology
from jobs.broker.connection import connected
from jobs.core.queue_names import slow_queue
from jobs.core.relay.queue_depth import AHEAD_LEAST
from jobs.models import Job, Outbox, QueueStanding
from jobs.services.lifecycle.rerouting import reroute as rerouting
from tests.support.factories import make_job, make_jobs, make_version
from tests.support.relays import drain, drain_jobs, new_model, ready, running
from tests.support.wait import wait_until


@pytest.fixture
def model(db: str) -> str:
    return new_model()


def slow_from(model: str, sizes: dict[int, int]) -> None:
    """Let the surveyor have judged so."""
    names = {str(version): size for version, size in sizes.items()}
    QueueStanding.objects.create(model=model, waiting=[0] * 10, head_age_s=[0.0] * 10, slow_from=names)


def queues(model: str) -> list[str]:
    return [model, slow_queue(model)]


def waiting_in(queue: str) -> list[UUID]:
    return list(Outbox.objects.filter(model=queue).order_by("due").values_list("job_id", flat=True))


def ids(jobs: Sequence[Job]) -> set[UUID]:
    return {job.id for job in jobs}


def test_jobs_of_a_slow_version_get_the_slow_queue_and_others_the_models(model: str, broker_url: str) -> None:
    slow = make_version(model, "slow")
    slow_from(model, {slow.id: 0})
    fast_job, slow_job = make_job(model=model), make_job(model=model, version=slow)
    with running(broker_url, queues(model)):
        wait_until(lambda: [ready(broker_url, queue) for queue in queues(model)] == [1, 1])
    assert drain(broker_url, model) == [f"{fast_job.id}:0"]
    assert drain(broker_url, slow_queue(model)) == [f"{slow_job.id}:0"]
    assert Outbox.objects.get(job=slow_job).published == 1


def test_a_large_input_goes_to_the_slow_queue_whatever_the_version(model: str, broker_url: str) -> None:
    version = make_version(model)
    slow_from(model, {version.id: 1_000})
    small, large = (make_job(model=model, version=version, size=size) for size in (999, 1_000))
    with running(broker_url, queues(model)):
        wait_until(lambda: [ready(broker_url, queue) for queue in queues(model)] == [1, 1])
    assert drain(broker_url, model) == [f"{small.id}:0"]
    assert drain(broker_url, slow_queue(model)) == [f"{large.id}:0"]


def test_slow_jobs_take_no_room_of_fast_ones_and_keep_their_order(model: str, broker_url: str) -> None:
    slow = make_version(model, "slow")
    slow_from(model, {slow.id: 0})
    many = make_jobs(1_500, model=model, version=slow)
    with running(broker_url, queues(model), depth=0):
        wait_until(lambda: ready(broker_url, slow_queue(model)) == AHEAD_LEAST)
        wait_until(lambda: len(waiting_in(slow_queue(model))) == 1_500)
        fast = make_jobs(20, model=model)  # of the same client and priority
        wait_until(lambda: ready(broker_url, model) == 20)
    assert {job for bundle in drain_jobs(broker_url, model) for job in bundle} == ids(fast)
    first = [job for bundle in drain_jobs(broker_url, slow_queue(model)) for job in bundle]
    assert {*first} == ids(many[:AHEAD_LEAST])


def test_a_slow_job_whose_message_still_waits_in_the_models_queue_is_published_again_as_slow(
    model: str, broker_url: str
) -> None:
    version = make_version(model)
    job = make_job(model=model, version=version)
    with running(broker_url, queues(model)) as relay:
        wait_until(lambda: ready(broker_url, model) == 1)
        drain(broker_url, model)
        slow_from(model, {version.id: 0})  # it was learned since
        wait_until(lambda: relay._slow_from)
        Outbox.objects.filter(job=job).update(due=Now())
        wait_until(lambda: ready(broker_url, slow_queue(model)) == 1)


def test_without_the_judgement_of_the_surveyor_slow_jobs_run_from_the_models_queue(
    model: str, broker_url: str
) -> None:
    make_job(model=model, version=make_version(model, "slow", options={"lane": "slow"}))
    with running(broker_url, queues(model)):
        wait_until(lambda: ready(broker_url, model) == 1)


def test_a_slow_queue_dead_letters_into_the_models_one_queue(model: str, broker_url: str) -> None:
    slow = make_version(model, "slow")
    slow_from(model, {slow.id: 0})
    make_job(model=model, version=slow)
    with running(broker_url, queues(model)):
        wait_until(lambda: ready(broker_url, slow_queue(model)) == 1)
    with connected(broker_url) as connection:
        message = connection.channel().basic_get(topology.queue_name(slow_queue(model)))
        message.channel.basic_reject(message.delivery_tag, requeue=False)
        wait_until(lambda: (counts := broker_queues.dead_counts(connection, model)) and counts.ready == 1)
        with pytest.raises(NotFound), connection.channel() as channel:
            channel.queue_declare(f"{topology.queue_name(slow_queue(model))}.dead", passive=True)


def test_a_job_that_is_taken_back_goes_through_its_models_queue_again(
    model: str, session: sa.Connection
) -> None:
    slow, stable = make_version(model, "slow"), make_version(model)
    job = make_job(model=model, version=slow)
    Outbox.objects.filter(job=job).update(model=slow_queue(model), published=1)
    back = rerouting.take_back(
        session, jobs=[job.id], rollout=1, candidate=slow.id, stable=stable.id, actor="tests"
    )
    assert back == [job.id]
    row = Outbox.objects.get(job=job)
    assert (row.model, row.version_id, row.epoch) == (model, stable.id, 1)
