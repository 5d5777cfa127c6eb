"""Queues that one test alone uses, and relays in threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any
from uuid import UUID, uuid4

from jobs.broker import broker_queues, topology
from jobs.broker.connection import connected
from jobs.core.messages.bundle import read
from jobs.services.relay.relay import Relay
from tests.support.threads import in_thread


def new_model() -> str:
    """Return a model name, so a queue, that no other test has."""
    return f"m-{uuid4().hex[:12]}"


def ready(url: str, model: str) -> int:
    """Return how many messages wait in the model's queue; -1 where there is none."""
    with connected(url) as connection:
        counts = broker_queues.counts(connection, model)
    return -1 if counts is None else counts.ready


def drain_jobs(url: str, model: str) -> list[list[UUID]]:
    """Take all messages and return the jobs of each in the broker's order."""
    jobs = []
    with connected(url) as connection:
        channel = connection.channel()
        while (message := channel.basic_get(topology.queue_name(model), no_ack=True)) is not None:
            jobs.append([envelope.job for envelope in read(message.body)])
    return jobs


def drain(url: str, model: str) -> list[str]:
    """Take all messages and return their message ids in the broker's order."""
    ids = []
    with connected(url) as connection:
        channel = connection.channel()
        while (message := channel.basic_get(topology.queue_name(model), no_ack=True)) is not None:
            ids.append(message.properties["message_id"])
    return ids


def make_relay(url: str, models: list[str], stop: Event, **options: Any) -> Relay:
    """Return a relay of those models that has room for 1,000 messages, with one job in each."""
    defaults: dict[str, Any] = {"depth": 1_000, "max_batch": lambda _version: 1}
    return Relay(broker_url=url, queues=lambda: models, stop=stop, **(defaults | options))


@contextmanager
def running(url: str, models: list[str], **options: Any) -> Iterator[Relay]:
    """Run a relay in a thread for as long as the block lasts."""
    stop = Event()
    relay = make_relay(url, models, stop, **options)
    with in_thread(relay.run, stop):
        yield relay


@contextmanager
def consuming(url: str, model: str, workers: int) -> Iterator[None]:
    """Hold `workers` consumers on the model's queue; they acknowledge nothing."""
    with connected(url) as connection:
        for _ in range(workers):
            connection.channel().basic_consume(topology.queue_name(model), callback=lambda _message: None)
        yield
