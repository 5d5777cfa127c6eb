from collections.abc import Iterator
from uuid import uuid4

import pytest

from jobs.broker import broker_queues
from jobs.broker.connection import connected
from jobs.broker.job_message import Outgoing, outgoing
from jobs.broker.publisher import WINDOW, ConfirmingPublisher, Outcome
from jobs.core.messages.envelope import Envelope
from tests.support.relays import new_model, ready
from tests.support.samples import Samples


def to(model: str, priority: int = 0) -> Outgoing:
    return outgoing(model, [Envelope(uuid4(), 0, 1, priority)])


@pytest.fixture
def publisher(broker_url: str) -> Iterator[ConfirmingPublisher]:
    publisher = ConfirmingPublisher(broker_url, confirm_timeout_s=1.0)
    yield publisher
    publisher.close()


@pytest.fixture
def model(broker_url: str) -> str:
    model = new_model()
    with connected(broker_url) as connection:
        broker_queues.declare(connection, [model])
    return model


def test_more_messages_than_a_window_are_all_confirmed(
    publisher: ConfirmingPublisher, model: str, broker_url: str
) -> None:
    count = 2 * WINDOW + 7
    assert publisher.publish([to(model) for _ in range(count)]) == [Outcome.CONFIRMED] * count
    assert ready(broker_url, model) == count


def test_an_unroutable_message_is_distinguished_from_confirmed_ones(
    publisher: ConfirmingPublisher, model: str
) -> None:
    outcomes = publisher.publish([to(model), to("nowhere"), to(model)])
    assert outcomes == [Outcome.CONFIRMED, Outcome.UNROUTABLE, Outcome.CONFIRMED]


def test_a_refused_message_is_nacked_and_the_next_has_a_new_channel(
    publisher: ConfirmingPublisher, model: str, broker_url: str
) -> None:
    name = f"full-{uuid4().hex}"
    with connected(broker_url) as connection:
        arguments = {"x-max-length": 1, "x-overflow": "reject-publish"}
        connection.channel().queue_declare(name, auto_delete=False, arguments=arguments)
    publisher.publish([Outgoing("", name, to("m").message)])
    outcomes = publisher.publish([Outgoing("", name, to("m").message) for _ in range(20)])
    assert set(outcomes) == {Outcome.NACKED}
    channel = publisher._channel
    assert publisher.publish([to(model)]) == [Outcome.CONFIRMED]
    assert publisher._channel is not channel
    assert not channel.is_open


def test_a_connection_cut_in_the_middle_leaves_the_outcome_unknown_and_the_next_publish_works(
    publisher: ConfirmingPublisher, model: str
) -> None:
    publisher.publish([to(model)])
    publisher.connection.connection.transport.sock.shutdown(1)
    outcomes = publisher._publish_window([to(model)])
    assert outcomes == [Outcome.UNKNOWN]
    assert publisher.publish([to(model)]) == [Outcome.CONFIRMED]


def test_a_blocked_broker_is_sent_nothing(
    publisher: ConfirmingPublisher, model: str, broker_url: str
) -> None:
    counted = Samples()
    publisher.publish([to(model)])
    for _ in range(2):
        publisher._on_blocked("memory")
    assert publisher.publish([to(model)]) == [Outcome.UNKNOWN]
    assert counted("inference_broker_blocked_connections") == 1
    publisher._on_unblocked()
    assert counted("inference_broker_blocked_connections") == 0
    assert publisher.publish([to(model)]) == [Outcome.CONFIRMED]
    assert ready(broker_url, model) == 2


def test_silence_makes_the_outcome_unknown_and_drops_the_connection(
    publisher: ConfirmingPublisher, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher.publish([to(model)])
    monkeypatch.setattr(publisher, "_handle_events", lambda _timeout_s: False)
    assert publisher._publish_window([to(model)]) == [Outcome.UNKNOWN]
    assert publisher._connection is None
