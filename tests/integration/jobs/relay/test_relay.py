import socket
from threading import Event

import pytest
import sqlalchemy as sa
from django.db.models import F
from django.db.models.functions import Now
from prometheus_client import REGISTRY

from jobs import metrics
from jobs.broker import broker_queues, topology
from jobs.broker.connection import connected
from jobs.core.errors import TopologyMismatchError
from jobs.core.relay.queue_depth import AHEAD_LEAST
from jobs.db import leases
from jobs.db.session import open_session
from jobs.models import Outbox
from tests.support.factories import make_job, make_jobs
from tests.support.relays import consuming, drain, drain_jobs, make_relay, new_model, ready, running
from tests.support.threads import in_thread
from tests.support.wait import wait_until


@pytest.fixture
def model(db: str) -> str:
    return new_model()


def in_flight(model: str) -> int:
    return Outbox.objects.filter(model=model, published__gt=0).count()


def overdue(model: str) -> None:
    """Let the visibility time of everything in flight be over."""
    Outbox.objects.filter(model=model).update(due=Now())


def test_jobs_reach_the_queue_in_order_of_priority(model: str, broker_url: str) -> None:
    low, high = make_job(model=model, priority=0), make_job(model=model, priority=9)
    with running(broker_url, [model]):
        wait_until(lambda: ready(broker_url, model) == 2)
    assert drain(broker_url, model) == [f"{high.id}:0", f"{low.id}:0"]


def test_a_level_is_kept_at_its_depth_and_an_urgent_job_passes_a_full_one(
    model: str, broker_url: str
) -> None:
    make_jobs(50, model=model, priority=0)
    with running(broker_url, [model], depth=10):
        wait_until(lambda: ready(broker_url, model) == 10)
        urgent = make_job(model=model, priority=9)
        wait_until(lambda: ready(broker_url, model) == 11)
    assert in_flight(model) == 11
    assert drain(broker_url, model)[0] == f"{urgent.id}:0"


def test_under_backlog_several_jobs_share_a_message_and_each_comes_once_in_order(
    model: str, broker_url: str
) -> None:
    low = make_jobs(700, model=model, priority=0)
    high = make_jobs(300, model=model, priority=9)
    with running(broker_url, [model], depth=2_000, max_batch=lambda _version: 64):
        wait_until(lambda: ready(broker_url, model) == 88 + 38)
    messages = drain_jobs(broker_url, model)
    assert max(map(len, messages)) == 8
    assert in_flight(model) == 1_000
    jobs = [job for message in messages for job in message]
    assert set(jobs[:300]) == {job.id for job in high}
    assert sorted(jobs) == sorted(job.id for job in low + high)


def test_jobs_that_share_a_message_are_not_copied_while_it_waits(model: str, broker_url: str) -> None:
    make_jobs(640, model=model)
    with running(broker_url, [model], max_batch=lambda _version: 64):
        wait_until(lambda: ready(broker_url, model) == 640 // 8)
        overdue(model)
        wait_until(lambda: Outbox.objects.filter(model=model, due__gt=Now()).count() == 640)
    assert ready(broker_url, model) == 640 // 8


def test_a_relay_that_loses_a_queue_drops_its_series(model: str, broker_url: str) -> None:
    def shown(queue: str) -> float | None:
        return REGISTRY.get_sample_value(metrics.OUTBOX_IN_FLIGHT._name, {"model": queue})

    models = [model, other := new_model()]
    for name in (model, other):
        make_job(model=name)
    with running(broker_url, models):
        wait_until(lambda: shown(model) == shown(other) == 1)
        models.remove(other)
        wait_until(lambda: shown(other) is None)
        assert shown(model) == 1
    assert shown(model) is None  # no relay counts it any more


def test_jobs_that_the_workers_cannot_hold_wait_in_the_outbox(model: str, broker_url: str) -> None:
    make_jobs(600, model=model)
    with running(broker_url, [model], depth=0):
        wait_until(lambda: ready(broker_url, model) == AHEAD_LEAST)
        with consuming(broker_url, model, 2):
            wait_until(lambda: in_flight(model) == 600)


def test_a_claimed_job_makes_room_for_the_next(model: str, broker_url: str) -> None:
    jobs = make_jobs(12, model=model)
    with running(broker_url, [model], depth=10):
        wait_until(lambda: in_flight(model) == 10)
        claimed = Outbox.objects.filter(model=model, published__gt=0).values_list("job_id", flat=True)[:2]
        Outbox.objects.filter(job_id__in=list(claimed)).delete()
        wait_until(lambda: ready(broker_url, model) == len(jobs))


def test_a_lost_message_is_published_again_once_its_time_is_over(model: str, broker_url: str) -> None:
    job = make_job(model=model)
    with running(broker_url, [model]):
        wait_until(lambda: ready(broker_url, model) == 1)
        drain(broker_url, model)
        overdue(model)
        wait_until(lambda: ready(broker_url, model) == 1)
    assert Outbox.objects.get(job=job).published == 2


def test_a_message_that_still_waits_is_not_published_twice(model: str, broker_url: str) -> None:
    job = make_job(model=model)
    with running(broker_url, [model]):
        wait_until(lambda: ready(broker_url, model) == 1)
        overdue(model)
        wait_until(lambda: Outbox.objects.filter(job=job, due__gt=Now()).exists())
    assert ready(broker_url, model) == 1
    assert Outbox.objects.get(job=job).published == 1


def test_a_deleted_queue_is_declared_again_and_filled(model: str, broker_url: str) -> None:
    make_job(model=model)
    with running(broker_url, [model]):
        wait_until(lambda: ready(broker_url, model) == 1)
        with connected(broker_url) as connection:
            connection.channel().queue_delete(topology.queue_name(model))
        make_job(model=model)
        wait_until(lambda: ready(broker_url, model) == 2)


def test_a_queue_that_refuses_is_paused_and_the_other_goes_on(model: str, broker_url: str) -> None:
    full, jobs = new_model(), 5
    make_jobs(jobs, model=full)
    make_jobs(jobs, model=model)
    _cap(full, broker_url)
    with running(broker_url, [full, model]):
        wait_until(lambda: ready(broker_url, model) == jobs)
        refused = Outbox.objects.filter(model=full, published=0, due__gt=Now())
        wait_until(lambda: refused.count() == jobs)


def _cap(model: str, url: str) -> None:
    """Put a queue that takes one message where the model's routing key leads."""
    with connected(url) as connection:
        broker_queues.declare(connection, [model])
        live = broker_queues.model_queue(model).bind(connection.channel())
        channel, narrow = connection.channel(), f"{live.name}.narrow"
        arguments = {"x-max-length": 1, "x-overflow": "reject-publish"}
        channel.queue_declare(narrow, auto_delete=False, arguments=arguments)
        channel.queue_bind(narrow, topology.INFER.name, model)
        for _ in range(3):
            connection.Producer(channel).publish({}, exchange="", routing_key=narrow)
        live.purge()


def test_a_new_model_is_fed_without_a_restart(model: str, broker_url: str) -> None:
    models: list[str] = []
    with running(broker_url, models):
        make_job(model=model)
        models.append(model)
        wait_until(lambda: ready(broker_url, model) == 1)


def test_queues_with_other_arguments_end_the_relay_with_the_reason(model: str, broker_url: str) -> None:
    with connected(broker_url) as connection:
        connection.channel().queue_declare(topology.queue_name(model), durable=True, auto_delete=False)
    with pytest.raises(TopologyMismatchError, match=model):
        make_relay(broker_url, [model], Event()).run()


def test_two_relays_share_the_queues_and_one_takes_over_from_the_other(model: str, broker_url: str) -> None:
    models = sorted([model, new_model()])
    with running(broker_url, models) as stays:
        with running(broker_url, models) as leaves:
            wait_until(lambda: (len(stays._feeders), len(leaves._feeders)) == (1, 1))
            assert {*stays._feeders, *leaves._feeders} == set(models)
            for name in models:
                make_job(model=name)
            wait_until(lambda: all(ready(broker_url, name) == 1 for name in models))
        for name in models:
            make_job(model=name)
        wait_until(lambda: all(ready(broker_url, name) == 2 for name in models))


def test_a_cut_database_connection_is_made_again(model: str, broker_url: str) -> None:
    with running(broker_url, [model]) as relay:
        wait_until(lambda: model in relay._feeders)
        with open_session() as session:
            others = "pid <> pg_backend_pid() AND application_name = 'jobs-loop'"
            session.execute(sa.text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"))
        make_job(model=model)
        wait_until(lambda: ready(broker_url, model) == 1)


def test_a_broker_that_is_away_costs_no_job(model: str, broker_url: str) -> None:
    job, stop = make_job(model=model), Event()
    relay = make_relay("amqp://nobody:nothing@127.0.0.1:1//", [model], stop)
    with in_thread(relay.run, stop):
        wait_until(lambda: relay._backoff_s > 0.1)
        assert Outbox.objects.get(job=job).published == 0
        relay._publisher._url = broker_url
        wait_until(lambda: ready(broker_url, model) == 1)


def test_messages_that_a_wiped_broker_lost_are_published_when_the_relay_connects(
    model: str, broker_url: str
) -> None:
    make_jobs(5, model=model)
    with running(broker_url, [model]):
        wait_until(lambda: ready(broker_url, model) == 5)
    drain(broker_url, model)
    assert Outbox.objects.filter(model=model, published=F("published"), due__gt=Now()).count() == 5
    with running(broker_url, [model]):
        wait_until(lambda: ready(broker_url, model) == 5)


def test_a_relay_that_the_broker_does_not_answer_takes_no_part_of_the_queues(
    model: str, broker_url: str
) -> None:
    with open_session() as session, socket.create_server(("127.0.0.1", 0)) as silent:
        before = leases.peers(session, leases.RELAY)
        with running(f"amqp://guest:guest@127.0.0.1:{silent.getsockname()[1]}//", [model]):
            silent.settimeout(30)
            waiting, _ = silent.accept()
            assert leases.peers(session, leases.RELAY) == before
            waiting.close()
            with running(broker_url, [model]):
                make_job(model=model)
                wait_until(lambda: ready(broker_url, model) == 1)
