"""Reports to broker and monitors: every ack and every change of Celery's request state, on the hub's thread.

The stages hand over one closure a batch; none of them may raise into the hub.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from celery.worker.state import task_accepted, task_ready, task_reserved

from jobs import metrics
from jobs.core.failures import Failure
from jobs.core.states import State
from jobs.store.settle import Settled, Verdict
from jobs.worker.delivery import Delivery
from jobs.worker.work import Work

logger = logging.getLogger(__name__)


class Reporter:
    """Tells broker, `inspect` and Flower what became of deliveries; `attach` names the live connection."""

    def __init__(self) -> None:
        self._hub: Any = None
        self._dispatcher: Any = None
        self.generation = 0

    def attach(self, consumer: Any) -> int:
        """Take the consumer of a new connection; deliveries of earlier generations are not acknowledged."""
        self._hub, self._dispatcher = consumer.hub, consumer.event_dispatcher
        self.generation += 1
        return self.generation

    def received(self, delivery: Delivery) -> None:
        """Note a delivery that entered the buffer; on the hub's thread."""
        task_reserved(delivery)
        self._send(
            "task-received",
            uuid=delivery.id,
            name=delivery.name,
            args="()",
            kwargs=f"{{'epoch': {delivery.envelope.epoch}, 'version': {delivery.envelope.version}}}",
            root_id=delivery.id,
            parent_id=None,
            retries=0,
            eta=None,
            expires=None,
        )

    def forget(self, deliveries: list[Delivery]) -> None:
        """Drop deliveries of a lost connection from Celery's request state; on the hub's thread."""
        for delivery in deliveries:
            task_ready(delivery)

    def refused(self, acknowledge: list[Delivery], bury: list[Delivery]) -> None:
        """Acknowledge duplicates, and dead-letter messages that point at no job."""
        self._soon(lambda: self._refuse(acknowledge, bury))

    def claimed(self, work: Work) -> None:
        """Show the batch's jobs as active."""
        self._soon(lambda: self._start(work.deliveries))

    def settled(self, work: Work, verdicts: list[Verdict], settled: list[Settled]) -> None:
        """Acknowledge a stored batch and show each job's end."""
        states = {row.job: row.state for row in settled}
        _count(work, settled)
        self._soon(lambda: self._finish(work, verdicts, states))

    def _soon(self, closure: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                closure()
            except Exception:
                logger.exception("a report to the broker failed; the messages come again and are refused")

        if self._hub is not None:
            self._hub.call_soon(guarded)

    def _refuse(self, acknowledge: list[Delivery], bury: list[Delivery]) -> None:
        for delivery in acknowledge:
            self._ack(delivery)
        for delivery in bury:
            logger.error("job %s is unknown: its message is dead-lettered", delivery.id)
            task_ready(delivery)
            if delivery.generation == self.generation:
                delivery.message.reject(requeue=False)

    def _start(self, deliveries: list[Delivery]) -> None:
        for delivery in deliveries:
            delivery.start()
            task_accepted(delivery)
            self._send("task-started", uuid=delivery.id)

    def _finish(self, work: Work, verdicts: list[Verdict], states: dict[Any, State]) -> None:
        for delivery, verdict in zip(work.deliveries, verdicts, strict=True):
            state = states.get(delivery.job)
            if state is not None:
                self._send_end(delivery, verdict, state, work.ran_s)
            self._ack(delivery)

    def _send_end(self, delivery: Delivery, verdict: Verdict, state: State, ran_s: float) -> None:
        if state is State.SUCCEEDED:
            self._send("task-succeeded", uuid=delivery.id, result="", runtime=ran_s)
        elif state is State.EXPIRED:
            self._send("task-revoked", uuid=delivery.id, terminated=False, signum=None, expired=True)
        else:
            failure = verdict.outcome
            text = f"{failure.kind}: {failure.code}" if isinstance(failure, Failure) else ""
            kind = "task-retried" if state is State.WAITING else "task-failed"
            self._send(kind, uuid=delivery.id, exception=text, traceback="")

    def _ack(self, delivery: Delivery) -> None:
        task_ready(delivery)
        if delivery.generation == self.generation:
            delivery.message.ack()

    def _send(self, kind: str, **fields: Any) -> None:
        if self._dispatcher is not None and self._dispatcher.enabled:
            self._dispatcher.send(kind, **fields)


def _count(work: Work, settled: list[Settled]) -> None:
    for row in settled:
        metrics.JOBS_SETTLED.labels(model=str(work.key), outcome=row.state.value).inc()
