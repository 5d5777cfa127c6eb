"""The Celery task that stands for a job: never called; its Strategy hands deliveries to the pipeline."""

from __future__ import annotations

from typing import Any

from celery import Task, shared_task

from jobs.core.envelope import TASK_NAME


class InferTask(Task):
    """A task whose deliveries are batched instead of executed one by one."""

    Strategy = "jobs.worker.strategy:batching"
    ignore_result = True
    acks_late = True


@shared_task(bind=True, base=InferTask, name=TASK_NAME)
def infer(self: Any, **envelope: Any) -> None:
    """Refuse to be called: a job is submitted through the API, which stores it first."""
    raise TypeError("submit a job with POST /api/v1/jobs; its row is what makes it run")
