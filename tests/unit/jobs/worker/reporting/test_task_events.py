"""Task events are those that Celery's dispatcher would send one by one, in one message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

from celery import Celery
from celery.events.dispatcher import EventDispatcher
from celery.events.state import State

from jobs.worker.reporting.task_events import FLUSH_S, LIMIT, TaskEvents


class Hub:
    """Calls when the test says so."""

    def __init__(self) -> None:
        self.calls: list[tuple[float, Callable[[], None]]] = []

    def call_later(self, seconds: float, call: Callable[[], None]) -> None:
        self.calls.append((seconds, call))

    def turn(self) -> None:
        while self.calls:
            self.calls.pop()[1]()


class Producer:
    """Keeps what is published, with its routing key."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, Any]] = []

    def publish(self, body: Any, *, routing_key: str, **_: Any) -> None:
        self.messages.append((routing_key, body))


def a_dispatcher(producer: Any) -> EventDispatcher:
    made = EventDispatcher(
        app=Celery(broker="memory://"), hostname="gpu-0@tests", enabled=False, buffer_group=["task"]
    )
    made.producer, made.enabled, made._closed = producer, True, False
    return made


def test_the_events_of_many_jobs_are_one_message_and_each_is_as_celery_sends_it() -> None:
    ours, theirs, hub = Producer(), Producer(), Hub()
    events = TaskEvents(a_dispatcher(ours), hub)
    events.send("task-received", [{"uuid": "1", "name": "jobs.infer"}, {"uuid": "2", "name": "jobs.infer"}])
    events.send("task-started", [{"uuid": "1"}, {"uuid": "2"}])
    assert (ours.messages, [seconds for seconds, _ in hub.calls]) == ([], [FLUSH_S])
    hub.turn()
    celery = a_dispatcher(theirs)
    celery.send("task-received", uuid="1", name="jobs.infer")
    celery.flush()
    ((key, sent),), ((their_key, (their_event,)),) = ours.messages, theirs.messages
    assert (key, len(sent)) == (their_key, 4)
    varying = {"clock": 0, "timestamp": 0.0}
    assert sent[0] | varying == their_event | varying
    state = State()
    for event in sent:
        state.event(event | {"local_received": event["timestamp"]})
    assert {task.uuid: task.state for task in state.tasks.values()} == {"1": "STARTED", "2": "STARTED"}


def test_a_full_buffer_is_published_at_once_and_a_silent_dispatcher_gets_nothing() -> None:
    producer, hub = Producer(), Hub()
    dispatcher = a_dispatcher(producer)
    events = TaskEvents(dispatcher, hub)
    events.send("task-started", ({"uuid": str(at)} for at in range(LIMIT)))
    assert [len(body) for _, body in producer.messages] == [LIMIT]
    dispatcher.enabled = False
    events.send("task-started", [{"uuid": "1"}])
    assert hub.calls == []


def test_a_lost_connection_loses_events_and_raises_nothing() -> None:
    hub = Hub()
    dispatcher = a_dispatcher(Mock(publish=Mock(side_effect=OSError("gone"))))
    dispatcher.buffer_while_offline = False
    TaskEvents(dispatcher, hub).send("task-started", [{"uuid": "1"}])
    hub.turn()
