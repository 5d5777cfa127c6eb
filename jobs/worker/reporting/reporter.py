"""Reports to broker and monitors: every ack and every change of Celery's request state, on the hub's thread.

The stages hand over one closure a batch; no closure may raise into the hub.
"""

from __future__ import annotations

import logging
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from typing import Any

from celery.worker.state import task_accepted, task_ready, task_reserved

from jobs import metrics
from jobs.broker.topology import queue_name
from jobs.core.errors import MessageMismatchError
from jobs.core.failures import Failure
from jobs.core.states import State
from jobs.services.lifecycle.settle import Settled, Verdict
from jobs.worker.message_delivery import MessageDelivery, Parcel
from jobs.worker.reporting.acks import Acks
from jobs.worker.reporting.batch_counts import count_settled
from jobs.worker.reporting.task_events import TaskEvents
from jobs.worker.stages.claimed_batch import ClaimedBatch, Refused

logger = logging.getLogger(__name__)
_REVOKED = (State.CANCELLED, State.EXPIRED)
_AGAIN = (State.WAITING, State.QUEUED)  # a rescued job is queued
MISMATCH = MessageMismatchError.code


class Reporter:
    """Reports the fate of deliveries to broker, `inspect` and Flower, over the connection of `attach`."""

    def __init__(self) -> None:
        self._hub: Any = None
        self._events: TaskEvents | None = None
        self._acks = Acks()
        self._todo: deque[Callable[[], None]] = deque()
        self.generation = 0

    def attach(self, consumer: Any) -> int:
        """Use the consumer of a new connection; deliveries of earlier generations are not acknowledged."""
        self._hub, self._acks = consumer.hub, Acks()
        dispatcher = consumer.event_dispatcher
        self._events = None if dispatcher is None else TaskEvents(dispatcher, self._hub)
        self.generation += 1
        return self.generation

    def received(self, parcel: Parcel, deliveries: list[MessageDelivery]) -> None:
        """Note a message whose jobs enter the buffer; on the hub's thread."""
        self._acks.received(parcel)
        for delivery in deliveries:
            task_reserved(delivery)
        self._send("task-received", map(_received, deliveries))

    def forget(self, deliveries: list[MessageDelivery]) -> None:
        """Drop deliveries of a lost connection from Celery's request state; on the hub's thread."""
        for delivery in deliveries:
            task_ready(delivery)

    def give_back(self, deliveries: list[MessageDelivery]) -> None:
        """Put deliveries that will not run here back into their queue; on the hub's thread."""
        self.forget(deliveries)
        self._acks.give_back(d for d in deliveries if d.generation == self.generation)

    def refused(self, refused: list[Refused]) -> None:
        """Acknowledge duplicates and jobs that have ended, and dead-letter messages that point at no job."""
        self._soon(lambda: self._refuse(refused))

    def claimed(self, batch: ClaimedBatch) -> None:
        """Show the batch's jobs as active."""
        self._soon(lambda: self._start(str(batch.id), batch.deliveries))

    def settled(self, batch: ClaimedBatch, verdicts: list[Verdict], settled: list[Settled]) -> None:
        """Acknowledge a stored batch and show each job's end."""
        states = {row.job: row.state for row in settled}
        count_settled(batch, verdicts, states)
        self._soon(lambda: self._finish(batch, verdicts, states))

    def _soon(self, closure: Callable[[], None]) -> None:
        # The hub keeps its callbacks in a set: only a queue of our own keeps a start before its end.
        self._todo.append(closure)
        if self._hub is not None:
            self._hub.call_soon(self._turn)

    def _turn(self) -> None:
        while self._todo:
            try:
                self._todo.popleft()()
            except Exception:
                logger.exception("a report to the broker failed; the messages come again and are refused")

    def _refuse(self, refused: list[Refused]) -> None:
        self._done([refusal.delivery for refusal in refused if refusal.state is not None])
        for refusal in refused:
            if refusal.state is None:
                _note_refusal(refusal)
                self._bury(refusal.delivery)
            elif refusal.state in _REVOKED:
                self._send("task-revoked", [_revoked(refusal.delivery, refusal.state)])

    def _bury(self, delivery: MessageDelivery) -> None:
        task_ready(delivery)
        if delivery.generation == self.generation:
            self._acks.reject(delivery)

    def _start(self, batch: str, deliveries: list[MessageDelivery]) -> None:
        for delivery in deliveries:
            delivery.start()
            task_accepted(delivery)
        self._send("task-started", ({"uuid": delivery.id, "batch": batch} for delivery in deliveries))

    def _finish(self, batch: ClaimedBatch, verdicts: list[Verdict], states: dict[Any, State]) -> None:
        ends = defaultdict[str, list[dict[str, Any]]](list)
        for delivery, verdict in zip(batch.deliveries, verdicts, strict=True):
            state = states.get(delivery.job)
            if state is not None:
                kind, fields = _end(delivery, verdict, state, batch.ran_s)
                ends[kind].append(fields)
        for kind, of in ends.items():
            self._send(kind, of)
        self._done(batch.deliveries)

    def _done(self, deliveries: list[MessageDelivery]) -> None:
        for delivery in deliveries:
            task_ready(delivery)
        self._acks.acknowledge(d for d in deliveries if d.generation == self.generation)

    def _send(self, kind: str, fields: Iterable[dict[str, Any]]) -> None:
        if self._events is not None:
            self._events.send(kind, fields)


def _received(delivery: MessageDelivery) -> dict[str, Any]:
    kwargs = f"{{'epoch': {delivery.envelope.epoch}, 'version': {delivery.envelope.version}}}"
    shown = queue_name(delivery.parcel.model)  # for Flower: a task of one model looks like no other
    return {"uuid": delivery.id, "name": shown, "args": "()", "kwargs": kwargs}


def _end(
    delivery: MessageDelivery, verdict: Verdict, state: State, ran_s: float
) -> tuple[str, dict[str, Any]]:
    """Return the kind of a job's last event and what it has of its own."""
    if state is State.SUCCEEDED:
        return "task-succeeded", {"uuid": delivery.id, "result": "", "runtime": ran_s}
    if state is State.EXPIRED:
        return "task-revoked", _revoked(delivery, state)
    failure = verdict.outcome
    text = f"{failure.kind}: {failure.code}" if isinstance(failure, Failure) else ""
    kind = "task-retried" if state in _AGAIN else "task-failed"
    return kind, {"uuid": delivery.id, "exception": text, "traceback": ""}


def _revoked(delivery: MessageDelivery, state: State) -> dict[str, Any]:
    expired = state is State.EXPIRED
    return {"uuid": delivery.id, "terminated": False, "signum": None, "expired": expired}


def _note_refusal(refusal: Refused) -> None:
    """Log and count a message that ends in the dead-letter queue."""
    job = refusal.delivery.id
    if not refusal.untrue:
        logger.error("job %s is unknown: its message is dead-lettered", job)
        return
    metrics.MESSAGES_FORGED.inc()
    untrue = ", ".join(refusal.untrue)
    logger.error("%s: a message for job %s is dead-lettered: untrue is its %s", MISMATCH, job, untrue)
