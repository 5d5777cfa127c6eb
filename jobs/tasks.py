"""The Celery tasks: `infer`, which stands for a job and is batched instead of called, and ordinary ones."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from uuid import UUID

from celery import Task, shared_task
from django.conf import settings

from jobs import metrics
from jobs.broker.webhook_task import DELIVER
from jobs.core.messages.envelope import TASK_NAME
from jobs.services.access.audit import forget_events
from jobs.services.access.tokens import warn_of_ends
from jobs.services.dead_letters.edited_replays import continue_edits
from jobs.services.dead_letters.purge import purge_stale
from jobs.services.drift.alarm_webhooks import send_due
from jobs.services.drift.comparing import compare_all
from jobs.services.erasure.erase_subject import continue_erasures
from jobs.services.erasure.unwanted_objects import delete_unwanted
from jobs.services.retention.delete_objects import forget_payloads
from jobs.services.retention.forget_old import forget_old
from jobs.services.retention.retain import AnotherRunError, keep_retention
from jobs.services.webhooks.deliver import deliver
from models_registry.selectors import known_queues

BEAT = "beat"


class InferTask(Task):
    """A task whose deliveries are batched instead of executed one by one."""

    Strategy = "jobs.worker.consuming.strategy:batching"
    ignore_result = True
    acks_late = True


@shared_task(name=DELIVER, ignore_result=True)
def deliver_webhook(job: str, attempts: int) -> None:
    """Begin one attempt to deliver a job's webhook, after `attempts` earlier attempts; wait for nothing."""
    deliver(UUID(job), attempts=attempts)


@shared_task(bind=True, base=InferTask, name=TASK_NAME)
def infer(self: Any, **envelope: Any) -> None:
    """Refuse to be called: a job is submitted through the API, which stores it first."""
    raise TypeError("submit a job with POST /api/v1/jobs; its row is what makes it run")


@shared_task(name="jobs.note_beat", ignore_result=True)
def note_beat() -> None:
    """Note that beat sends tasks and that a CPU worker runs them."""
    metrics.BEAT_LAST.set_to_current_time()


@shared_task(name="jobs.keep_retention", ignore_result=True)
def retention() -> None:
    """Make partitions of payloads ahead of time, and drop the days that are over."""
    with suppress(AnotherRunError):
        keep_retention(actor=BEAT)


@shared_task(name="jobs.forget_payloads", ignore_result=True)
def payloads() -> None:
    """Delete stored inputs, outputs and uploads that no row points at."""
    forget_payloads()


@shared_task(name="jobs.forget_old", ignore_result=True)
def old_rows() -> None:
    """Delete rows of every table that have been kept for long enough."""
    forget_old(actor=BEAT)


@shared_task(name="jobs.continue_erasures", ignore_result=True)
def erasures() -> None:
    """Carry requested erasures to their ends, and delete the objects that earlier ones left."""
    continue_erasures()
    delete_unwanted()


@shared_task(name="jobs.continue_edits", ignore_result=True)
def edits() -> None:
    """Let the jobs of edited replays follow whose first jobs have succeeded."""
    continue_edits()


@shared_task(name="jobs.compare_drift", ignore_result=True)
def drift() -> None:
    """Compare the hours that have ended with the references of their versions."""
    compare_all()


@shared_task(name="jobs.send_drift_webhooks", ignore_result=True)
def drift_webhooks() -> None:
    """Send the webhooks of alarms that are due."""
    send_due()


@shared_task(name="jobs.purge_letters", ignore_result=True)
def letters() -> None:
    """Drop messages of dead letters that are gone, and malformed ones that are as old."""
    for model in known_queues():
        purge_stale(model=model, actor=BEAT, malformed_after_days=settings.INFERENCE.dead_letters_days)


@shared_task(name="jobs.warn_of_tokens", ignore_result=True)
def token_ends() -> None:
    """Log the tokens that end soon."""
    warn_of_ends()


@shared_task(name="jobs.forget_events", ignore_result=True)
def events() -> None:
    """Delete events older than EVENTS_DAYS, where that is set."""
    if days := settings.INFERENCE.events_days:
        forget_events(older_than_days=days, actor=BEAT)
