from collections.abc import Iterator
from pathlib import Path

import pytest

from inference_site.stack.rabbitmq import RabbitMQ
from inference_site.stack.services import UNPACK_ROOT
from jobs.models import Outage, Outbox
from tests.support.factories import make_job, make_jobs
from tests.support.relays import drain, new_model, ready, running
from tests.support.wait import wait_until


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[RabbitMQ]:
    """Give a broker of the test's own, which it may stop."""
    broker = RabbitMQ(tmp_path, unpack_root=UNPACK_ROOT)
    _start(broker)
    yield broker
    _stop(broker)


def _start(broker: RabbitMQ) -> None:
    broker.start()
    broker.wait_ready()


def _stop(broker: RabbitMQ) -> None:
    broker.ask_to_stop()
    broker.finish()


def test_jobs_posted_while_the_broker_is_down_arrive_once_it_is_back(db: str, broker: RabbitMQ) -> None:
    model = new_model()
    before = make_jobs(3, model=model)
    with running(broker.url, [model]) as relay:
        wait_until(lambda: ready(broker.url, model) == 3)
        _stop(broker)
        meanwhile = make_job(model=model)
        wait_until(lambda: relay._backoff_s > 0.1)
        assert Outbox.objects.get(job=meanwhile).published == 0
        _start(broker)
        wait_until(lambda: ready(broker.url, model) == 4)
    expected = {f"{job.id}:0" for job in [*before, meanwhile]}
    assert set(drain(broker.url, model)) == expected
    assert {outage.kind for outage in Outage.objects.all()} == {"broker"}
