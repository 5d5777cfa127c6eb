"""The Celery tasks: one that stands for a job, batched by its Strategy, never called; and ordinary ones."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from celery import Task, shared_task

from jobs.amqp.webhooks import DELIVER
from jobs.core.envelope import TASK_NAME
from jobs.services.deliver import deliver


class InferTask(Task):
    """A task whose deliveries are batched instead of executed one by one."""

    Strategy = "jobs.worker.strategy:batching"
    ignore_result = True
    acks_late = True


@shared_task(name=DELIVER, ignore_result=True)
def deliver_webhook(job: str, attempts: int) -> None:
    """Make the attempt to deliver a job's webhook that follows `attempts` others."""
    deliver(UUID(job), attempts=attempts)


@shared_task(bind=True, base=InferTask, name=TASK_NAME)
def infer(self: Any, **envelope: Any) -> None:
    """Refuse to be called: a job is submitted through the API, which stores it first."""
    raise TypeError("submit a job with POST /api/v1/jobs; its row is what makes it run")
