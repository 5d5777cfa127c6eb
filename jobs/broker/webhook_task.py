"""Asks the Celery workers to deliver webhooks: ordinary tasks on a queue of their own, which carry ids."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple
from uuid import UUID, uuid4

import kombu
import msgspec
from amqp.basic_message import Message
from celery.app.utils import find_app
from django.conf import settings

from jobs.broker.broker_queues import task_queue
from jobs.broker.connection import broker_errors
from jobs.broker.job_message import PERSISTENT, Outgoing
from jobs.broker.publisher import ConfirmingPublisher, Outcome
from jobs.broker.topology import WEBHOOKS

DELIVER = "jobs.deliver_webhook"


class WebhookAttempt(NamedTuple):
    """A webhook to be sent: its job, and the number of attempts before."""

    job: UUID
    attempts_before: int


class WebhookTasks:
    """Sends the tasks over one lasting connection; belongs to one thread."""

    def __init__(self, *, stopping: Callable[[], bool] = lambda: False) -> None:
        """Prepare to send; once `stopping()` is true no confirm is waited for."""
        self._publisher = ConfirmingPublisher(settings.INFERENCE.broker_url, stopping=stopping)
        self._declared_on: kombu.Connection | None = None

    def send(self, attempts: Sequence[WebhookAttempt]) -> list[WebhookAttempt]:
        """Send a task for every attempt and return those whose task the broker confirmed.

        BrokerUnavailableError with none sent.
        """
        self.open()
        outcomes = self._publisher.publish([_outgoing(attempt) for attempt in attempts])
        pairs = zip(attempts, outcomes, strict=True)
        return [attempt for attempt, outcome in pairs if outcome is Outcome.CONFIRMED]

    def open(self) -> None:
        """Connect unless that was done; BrokerUnavailableError.

        The queue is declared on each connection: a broker that lost its data has lost the queue too.
        """
        connection = self._publisher.connection
        if connection is self._declared_on:
            return
        with broker_errors(), connection.channel() as channel:
            task_queue(WEBHOOKS).bind(channel).declare()
        self._declared_on = connection

    def close(self) -> None:
        """Drop the connection; the next `send` opens another."""
        self._publisher.close()


def _outgoing(attempt: WebhookAttempt) -> Outgoing:
    """Return the message that Celery itself would send for the task."""
    task_id = str(uuid4())
    arguments = (str(attempt.job), attempt.attempts_before)
    task = find_app(settings.CELERY_APP).amqp.as_task_v2(task_id, DELIVER, arguments, {})
    message = Message(
        msgspec.json.encode(task.body),
        content_type="application/json",
        content_encoding="utf-8",
        delivery_mode=PERSISTENT,
        correlation_id=task_id,
        message_id=task_id,
        application_headers=task.headers,
    )
    return Outgoing(WEBHOOKS.exchange.name, WEBHOOKS.routing_key, message)
