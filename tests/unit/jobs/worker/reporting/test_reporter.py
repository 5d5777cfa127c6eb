"""Reports reach Celery's request state in the order they were made, whatever order the hub calls in."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from celery.worker import state

from jobs.core.batching.sealed_batch import SealReason
from jobs.core.failures import Success
from jobs.core.messages.envelope import Envelope
from jobs.core.states import State
from jobs.services.lifecycle.claim import Claimed
from jobs.services.lifecycle.settle import Settled, Verdict
from jobs.worker.message_delivery import MessageDelivery, Parcel
from jobs.worker.reporting.reporter import Reporter
from jobs.worker.stages.claimed_batch import ClaimedBatch

JOB = UUID(int=1)


class BackwardHub:
    """Makes the given calls in reverse order, because the real one keeps a set."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], None]] = []

    def call_soon(self, call: Callable[[], None]) -> None:
        self.calls.append(call)

    def turn(self) -> None:
        while self.calls:
            self.calls.pop()()


def test_a_batch_that_ends_before_the_hub_turns_leaves_nothing_behind() -> None:
    hub, reporter = BackwardHub(), Reporter()
    generation = reporter.attach(SimpleNamespace(hub=hub, event_dispatcher=None))
    acked: list[int] = []
    message: Any = SimpleNamespace(delivery_tag=1, acknowledged=False, ack=lambda **_: acked.append(1))
    parcel = Parcel(message, 1, generation)
    delivery = MessageDelivery(parcel, Envelope(JOB, 0, 1, 4), task=None)
    job = Claimed(JOB, 1, 1, 3, b"", None)
    work = ClaimedBatch(UUID(int=2), 1, 1, SealReason.IDLE, [delivery], jobs=[job])
    reporter.received(parcel, [delivery])
    reporter.claimed(work)
    reporter.settled(work, [Verdict(JOB, 1, Success(b"1"))], [Settled(JOB, State.SUCCEEDED)])
    hub.turn()
    assert acked == [1]
    assert delivery not in state.active_requests
    assert delivery not in state.reserved_requests
    assert str(JOB) not in state.requests


def test_a_monitor_is_told_the_model_of_each_job() -> None:
    told, reporter = list[dict[str, Any]](), Reporter()
    message: Any = SimpleNamespace(delivery_tag=1, delivery_info={"routing_key": "minilm"})
    reporter._events = SimpleNamespace(send=lambda _kind, fields: told.extend(fields))  # type: ignore[assignment]  # a stand-in
    delivery = MessageDelivery(parcel := Parcel(message, 1, 1), Envelope(JOB, 0, 1, 4), task=None)
    reporter.received(parcel, [delivery])
    reporter.forget([delivery])
    assert [(event["uuid"], event["name"]) for event in told] == [(str(JOB), "infer.minilm")]


def test_a_monitor_is_told_the_batch_of_each_job_that_starts() -> None:
    told, reporter, hub = list[tuple[str, Any]](), Reporter(), BackwardHub()
    generation = reporter.attach(SimpleNamespace(hub=hub, event_dispatcher=None))
    reporter._events = SimpleNamespace(send=lambda kind, of: told.append((kind, [*of])))  # type: ignore[assignment]  # a stand-in
    message: Any = SimpleNamespace(delivery_tag=1, acknowledged=False, ack=lambda **_: None)
    delivery = MessageDelivery(Parcel(message, 1, generation), Envelope(JOB, 0, 1, 4), task=None)
    reporter.claimed(ClaimedBatch(UUID(int=2), 1, 1, SealReason.IDLE, [delivery]))
    hub.turn()
    reporter.forget([delivery])
    assert told == [("task-started", [{"uuid": str(JOB), "batch": str(UUID(int=2))}])]
