"""The messages in a test's own dead-letter queue."""

from __future__ import annotations

from typing import Any

import kombu
from amqp.basic_message import Message

from jobs.broker import broker_queues, topology
from jobs.broker.connection import connected
from jobs.core.messages.dead_letter_pointer import DeadLetterPointer, read_dead_letter


def declared(url: str, model: str) -> str:
    """Declare the model's queues and return its name."""
    with connected(url) as connection:
        broker_queues.declare(connection, [model])
    return model


def dead_messages(url: str, model: str) -> list[Any]:
    """Return every message in the dead-letter queue; all of them stay there."""
    messages = []
    with connected(url) as connection, connection.channel() as channel:
        while (message := channel.basic_get(topology.dead_queue_name(model))) is not None:
            messages.append(message)
    return messages


def dead_letters(url: str, model: str) -> list[DeadLetterPointer]:
    """Return the pointers in the dead-letter queue's messages, in the broker's order."""
    read = (read_dead_letter(message.body) for message in dead_messages(url, model))
    return [pointer for pointer in read if pointer is not None]


def put(url: str, exchange: str, routing_key: str, *messages: Message) -> None:
    """Publish with confirms."""
    with connected(url) as connection:
        publish(connection, exchange, routing_key, *messages)


def publish(connection: kombu.Connection, exchange: str, routing_key: str, *messages: Message) -> None:
    """Publish with confirms over an open connection."""
    with connection.channel() as channel:
        channel.confirm_select()
        for message in messages:
            channel.basic_publish_confirm(message, exchange=exchange, routing_key=routing_key)
