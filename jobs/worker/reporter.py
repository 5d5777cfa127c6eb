"""Reports to broker and monitors: every ack and every change of Celery's request state, on the hub's thread.

The stages hand over one closure a batch; no closure may raise into the hub.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

from celery.worker.state import task_accepted, task_ready, task_reserved

from jobs import metrics
from jobs.core.errors import MessageMismatchError
from jobs.core.failures import Failure
from jobs.core.states import State
from jobs.services.lifecycle.settle import Settled, Verdict
from jobs.worker.acks import Acks
from jobs.worker.message_delivery import MessageDelivery, Parcel
from jobs.worker.stages.claimed_batch import ClaimedBatch, Refused

logger = logging.getLogger(__name__)
EVENT_BUFFER = 500
EVENT_FLUSH_S = 0.1
_REVOKED = (State.CANCELLED, State.EXPIRED)
MISMATCH = MessageMismatchError.code


class Reporter:
    """Reports the fate of deliveries to broker, `inspect` and Flower, over the connection of `attach`."""

    def __init__(self) -> None:
        self._hub: Any = None
        self._dispatcher: Any = None
        self._acks = Acks()
        self._flushing = False
        self._todo: deque[Callable[[], None]] = deque()
        self.generation = 0

    def attach(self, consumer: Any) -> int:
        """Use the consumer of a new connection; deliveries of earlier generations are not acknowledged."""
        self._hub, self._dispatcher, self._acks = consumer.hub, consumer.event_dispatcher, Acks()
        self.generation += 1
        if self._dispatcher is not None:
            self._dispatcher.buffer_limit = EVENT_BUFFER
            self._dispatcher.on_send_buffered = self._flush_later
        return self.generation

    def received(self, parcel: Parcel, deliveries: list[MessageDelivery]) -> None:
        """Note a message whose jobs enter the buffer; on the hub's thread."""
        self._acks.received(parcel)
        for delivery in deliveries:
            task_reserved(delivery)
            kwargs = f"{{'epoch': {delivery.envelope.epoch}, 'version': {delivery.envelope.version}}}"
            self._send("task-received", uuid=delivery.id, name=delivery.name, args="()", kwargs=kwargs)

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
        self._soon(lambda: self._start(batch.deliveries))

    def settled(self, batch: ClaimedBatch, verdicts: list[Verdict], settled: list[Settled]) -> None:
        """Acknowledge a stored batch and show each job's end."""
        states = {row.job: row.state for row in settled}
        _count(batch, states)
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
                self._send_revoked(refusal.delivery, refusal.state)

    def _bury(self, delivery: MessageDelivery) -> None:
        task_ready(delivery)
        if delivery.generation == self.generation:
            self._acks.reject(delivery)

    def _start(self, deliveries: list[MessageDelivery]) -> None:
        for delivery in deliveries:
            delivery.start()
            task_accepted(delivery)
            self._send("task-started", uuid=delivery.id)

    def _finish(self, batch: ClaimedBatch, verdicts: list[Verdict], states: dict[Any, State]) -> None:
        for delivery, verdict in zip(batch.deliveries, verdicts, strict=True):
            state = states.get(delivery.job)
            if state is not None:
                self._send_end(delivery, verdict, state, batch.ran_s)
        self._done(batch.deliveries)

    def _send_end(self, delivery: MessageDelivery, verdict: Verdict, state: State, ran_s: float) -> None:
        if state is State.SUCCEEDED:
            self._send("task-succeeded", uuid=delivery.id, result="", runtime=ran_s)
        elif state is State.EXPIRED:
            self._send_revoked(delivery, state)
        else:
            failure = verdict.outcome
            text = f"{failure.kind}: {failure.code}" if isinstance(failure, Failure) else ""
            kind = "task-retried" if state is State.WAITING else "task-failed"
            self._send(kind, uuid=delivery.id, exception=text, traceback="")

    def _send_revoked(self, delivery: MessageDelivery, state: State) -> None:
        expired = state is State.EXPIRED
        self._send("task-revoked", uuid=delivery.id, terminated=False, signum=None, expired=expired)

    def _done(self, deliveries: list[MessageDelivery]) -> None:
        for delivery in deliveries:
            task_ready(delivery)
        self._acks.acknowledge(d for d in deliveries if d.generation == self.generation)

    def _send(self, kind: str, **fields: Any) -> None:
        if self._dispatcher is not None and self._dispatcher.enabled:
            self._dispatcher.send(kind, **fields)

    def _flush_later(self) -> None:
        if not self._flushing:
            self._flushing = True
            self._hub.call_later(EVENT_FLUSH_S, self._flush)

    def _flush(self) -> None:
        self._flushing = False
        try:
            self._dispatcher.flush()
        except Exception:
            logger.exception("task events were not sent; monitors miss some")


def _note_refusal(refusal: Refused) -> None:
    """Log and count a message that ends in the dead-letter queue."""
    job = refusal.delivery.id
    if not refusal.untrue:
        logger.error("job %s is unknown: its message is dead-lettered", job)
        return
    metrics.MESSAGES_FORGED.inc()
    untrue = ", ".join(refusal.untrue)
    logger.error("%s: a message for job %s is dead-lettered: untrue is its %s", MISMATCH, job, untrue)


def _count(batch: ClaimedBatch, states: dict[Any, State]) -> None:
    metrics.BATCHES.labels(batch.model, batch.seal_reason.value).inc()
    metrics.BATCH_SIZE.labels(batch.model).observe(len(batch.jobs))
    metrics.CLAIM_TIME.labels(batch.model).observe(batch.claim_s)
    metrics.RUN_TIME.labels(batch.model).observe(batch.ran_s)
    metrics.SETTLE_TIME.labels(batch.model).observe(batch.settle_s)
    outcomes = Counter(states[job.job].value if job.job in states else "fenced" for job in batch.jobs)
    for outcome, jobs in outcomes.items():
        metrics.JOBS_SETTLED.labels(batch.model, outcome).inc(jobs)
