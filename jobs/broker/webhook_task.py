"""Asks the Celery workers to deliver webhooks: ordinary tasks on a queue of their own, which carry ids."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

from celery.app.utils import find_app
from django.conf import settings

from jobs.broker.connection import broker_errors, connect

DELIVER = "jobs.deliver_webhook"


class WebhookAttempt(NamedTuple):
    """A webhook to be sent: its job, and the number of attempts before."""

    job: UUID
    attempts_before: int


def ask(attempts: Iterable[WebhookAttempt]) -> None:
    """Send a task for every attempt; BrokerUnavailableError."""
    with connect(settings.INFERENCE.broker_url) as connection, broker_errors():
        send = find_app(settings.CELERY_APP).send_task
        with connection.Producer() as producer:
            for attempt in attempts:
                arguments = (str(attempt.job), attempt.attempts_before)
                send(DELIVER, arguments, producer=producer, retry=False)
