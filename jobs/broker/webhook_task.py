"""Asks the Celery workers to deliver webhooks: ordinary tasks on a queue of their own, which carry ids."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from celery.app.utils import find_app
from django.conf import settings

from jobs.broker.connection import broker_errors, connect

DELIVER = "jobs.deliver_webhook"


def ask(attempts: Iterable[tuple[UUID, int]]) -> None:
    """Send a task for each job and the number of attempts before; BrokerUnavailableError."""
    with connect(settings.INFERENCE.broker_url) as connection, broker_errors():
        send = find_app(settings.CELERY_APP).send_task
        with connection.Producer() as producer:
            for job, attempts_before in attempts:
                send(DELIVER, (str(job), attempts_before), producer=producer, retry=False)
