from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from jobs.broker import broker_queues, topology
from jobs.broker.connection import connect, connected
from jobs.core.errors import BrokerUnavailableError, TopologyMismatchError
from tests.support.factories import make_version
from tests.support.relays import new_model


def test_declaring_twice_changes_nothing(broker_url: str) -> None:
    model = new_model()
    with connected(broker_url) as connection:
        broker_queues.declare(connection, [model])
        broker_queues.declare(connection, [model])
        assert broker_queues.counts(connection, model) == broker_queues.QueueCounts(ready=0, consumers=0)


def test_celerys_own_declare_of_the_queue_is_equal_to_ours(broker_url: str) -> None:
    model = new_model()
    with connected(broker_url) as connection:
        broker_queues.declare(connection, [model])
        broker_queues.model_queue(model).bind(connection.channel()).declare()


def test_a_queue_with_other_arguments_is_named_with_the_argument(broker_url: str) -> None:
    model = new_model()
    with connected(broker_url) as connection:
        name = topology.queue_name(model)
        connection.channel().queue_declare(name, durable=True, auto_delete=False)
        with pytest.raises(TopologyMismatchError, match=f"{name}.*inequivalent arg 'x-") as caught:
            broker_queues.declare(connection, [model])
    assert "Delete it once it is empty" in str(caught.value)


def test_the_command_ends_with_the_reason_where_a_queue_differs(db: str, broker_url: str) -> None:
    model = make_version(new_model()).model.name
    with connected(broker_url) as connection:
        connection.channel().queue_declare(topology.dead_queue_name(model), durable=False, auto_delete=False)
    with pytest.raises(CommandError, match="exists with other arguments"):
        call_command("declare_topology")


def test_a_rejected_message_lands_in_the_models_dead_queue(broker_url: str) -> None:
    model = new_model()
    with connected(broker_url) as connection:
        broker_queues.declare(connection, [model])
        channel = connection.channel()
        producer = connection.Producer(channel)
        producer.publish({}, exchange=topology.INFER.name, routing_key=model)
        message = _get(channel, topology.queue_name(model))
        channel.basic_reject(message.delivery_tag, requeue=False)
        assert _get(channel, topology.dead_queue_name(model))


def _get(channel: Any, queue: str) -> Any:
    for _ in range(200):
        if (message := channel.basic_get(queue)) is not None:
            return message
    pytest.fail(f"nothing in {queue}")


def test_a_quorum_queue_can_be_declared(broker_url: str) -> None:
    with connected(broker_url) as connection:
        broker_queues.declare(connection, [new_model()], "quorum")


def test_an_absent_queue_has_no_counts(broker_url: str) -> None:
    with connected(broker_url) as connection:
        assert broker_queues.counts(connection, new_model()) is None


def test_an_absent_broker_is_reported_as_unavailable() -> None:
    with pytest.raises(BrokerUnavailableError):
        connect("amqp://nobody:nothing@127.0.0.1:1//")
