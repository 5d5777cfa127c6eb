"""The consumer of every worker here: Celery's, but no delivery, malformed or forged, ends the worker.

It answers questions over the broker, and no orders.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from celery.worker.consumer import Consumer
from kombu import Message

from jobs.core.messages.envelope import TASK_NAME
from jobs.worker import process_marks

logger = logging.getLogger(__name__)
OURS = "jobs."

RETRY = {"interval_start": 1.0, "interval_step": 1.0, "interval_max": 3.0}  # seconds
DELAYED_DELIVERY = "celery.worker.consumer.delayed_delivery:DelayedDelivery"
CONTROL = "celery.worker.consumer.control:Control"
QUESTIONS = "jobs.worker.consuming.inspect_only:Questions"


class UndelayedConsumer(Consumer):
    """Celery's consumer: it connects again within seconds, makes no queues for delays, and marks its work.

    Every delivery that could hurt ends in its queue's dead-letter queue, or is dropped where it has none.
    """

    _marking: Any = None

    class Blueprint(Consumer.Blueprint):
        """Celery's steps without the queues for delays, which it makes beside quorum queues, and orders."""

        # What has to wait waits in Postgres, and no user of the broker may declare those queues.
        default_steps = [
            QUESTIONS if step == CONTROL else step
            for step in Consumer.Blueprint.default_steps
            if step != DELAYED_DELIVERY
        ]

    def ensure_connected(self, conn: Any) -> Any:
        """Return the connection once it is made, with at most 3 s between two tries; Celery has 30."""
        conn.ensure_connection = partial(conn.ensure_connection, **RETRY)
        return super().ensure_connected(conn)

    def takes(self, task: str) -> bool:
        """Return whether messages of the task are executed here: Celery's own could call any other one."""
        return task.startswith(OURS) and task != TASK_NAME

    def update_strategies(self) -> None:
        """Know only the tasks that this worker executes."""
        super().update_strategies()
        for task in [task for task in self.strategies if not self.takes(task)]:
            del self.strategies[task]

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Message], None]:
        """Return Celery's handler, guarded."""
        handle = super().create_task_handler(*args, **kwargs)

        def guarded(message: Message) -> None:
            try:
                handle(message)
            except Exception as error:  # noqa: BLE001  # a forged message may raise anything, anywhere
                self.bury(message, error)

        return guarded

    def on_decode_error(self, message: Message, exc: Exception) -> None:
        """Dead-letter a message whose body cannot be decoded; Celery would acknowledge and lose it."""
        self.bury(message, exc)

    def on_unknown_task(self, body: Any, message: Message, exc: Exception) -> None:
        """Dead-letter a message of another task; Celery would mark the job of that id as failed."""
        self.bury(message, exc)

    def on_unknown_message(self, body: Any, message: Message) -> None:
        """Dead-letter a message that is not Celery's."""
        self.bury(message, ValueError("not a Celery task message"))

    def on_invalid_task(self, body: Any, message: Message, exc: Exception) -> None:
        """Dead-letter a message whose content a handler refused."""
        self.bury(message, exc)

    def bury(self, message: Message, error: Exception) -> None:
        """Reject the message into its queue's dead-letter queue, once."""
        logger.error("a message is dead-lettered: %s: %s", type(error).__name__, error)
        if not message.acknowledged:
            message.reject(requeue=False)

    def on_ready(self) -> None:
        """Leave a mark now, and while the connection's loop turns: its queues are consumed."""
        super().on_ready()
        if self.hub is not None:
            if self._marking is not None:
                self._marking.cancel()
            self._mark()
            self._marking = self.hub.call_repeatedly(process_marks.CONSUMED_EVERY_S, self._mark)

    def _mark(self) -> None:
        process_marks.leave(str(self.hostname))
