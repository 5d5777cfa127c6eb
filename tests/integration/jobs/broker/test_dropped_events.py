"""A worker whose events cannot be sent goes on: its loop waits for no connection of a monitor's."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Thread
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from celery import Celery
from celery.worker.heartbeat import Heart

from inference_site.celery import app as ours
from inference_site.stack.ports import free_port
from jobs.worker.consuming.dropped_events import MOST_KEPT, DroppingDispatcher
from tests.support.proxy import Link, Mode, Network

LOOPBACK, SOON_S = "127.0.0.1", 10.0


@pytest.fixture
def network(broker_url: str) -> Iterator[Network]:
    """A link to the broker."""
    port = urlsplit(broker_url).port
    assert port is not None
    with Network({"broker": Link(free_port(), (LOOPBACK, port))}) as network:
        yield network


@pytest.fixture
def dispatcher(broker_url: str, network: Network) -> Iterator[DroppingDispatcher]:
    """Our application's dispatcher, over the link."""
    login = urlsplit(broker_url).netloc.rpartition("@")[0]
    url = f"amqp://{login}@{LOOPBACK}:{network.links['broker'].port}//"
    app = Celery("tests", broker=url, events=ours.events_cls, set_as_current=False)
    with app.connection_for_write() as connection:
        made = app.events.Dispatcher(connection, hostname="gpu-0@tests")
        assert isinstance(made, DroppingDispatcher)
        yield made


def beat(dispatcher: Any) -> None:
    heart = Heart(SimpleNamespace(), dispatcher)
    beating = Thread(target=heart._send, args=("worker-heartbeat",), daemon=True)
    beating.start()
    beating.join(SOON_S)
    assert not beating.is_alive(), "it waits for the broker"


def test_a_heartbeat_waits_for_no_broker_that_is_away_and_keeps_a_bounded_number(
    dispatcher: Any, network: Network
) -> None:
    beat(dispatcher)
    assert not dispatcher._outbound_buffer, "the broker has it"
    network.turn("broker", Mode.CUT)
    for _ in range(MOST_KEPT + 20):
        beat(dispatcher)
    assert len(dispatcher._outbound_buffer) == MOST_KEPT
