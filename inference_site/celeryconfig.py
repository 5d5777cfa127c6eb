"""Celery's settings, with the reason beside each surprising one."""

from celery.schedules import crontab
from django.conf import settings

from jobs.broker.broker_queues import task_queue
from jobs.broker.topology import CPU, TASK_QUEUES, WEBHOOKS, QueueSpec
from jobs.broker.webhook_task import DELIVER


def _route(queue: QueueSpec) -> dict[str, str]:
    # Without an exchange Celery would publish to the default one, which reaches every queue of the broker.
    return {"queue": queue.name, "exchange": queue.exchange.name, "routing_key": queue.routing_key}


broker_url = settings.INFERENCE.broker_url
# Beat has no database: it sends tasks, and reads no results.
result_backend = "jobs.result_backend:JobBackend" if settings.INFERENCE.database_url else None
result_expires = None  # otherwise beat's nightly clean-up would delete jobs
database_create_tables_at_setup = False
accept_content = ["json"]
task_serializer = result_serializer = event_serializer = "json"
task_queues = [task_queue(queue) for queue in TASK_QUEUES]
task_default_queue = CPU.name
task_routes = {DELIVER: _route(WEBHOOKS), "*": _route(CPU)}
task_create_missing_queues = False  # a queue that the topology does not declare is a mistake
task_acks_late = True
task_send_sent_event = False
worker_send_task_events = True
worker_prefetch_multiplier = 1
worker_concurrency = settings.INFERENCE.cpu_worker_threads  # gpu_worker sets its own
worker_consumer = "jobs.worker.consuming.undelayed:UndelayedConsumer"  # gpu_worker sets its own
worker_hijack_root_logger = False
worker_redirect_stdouts = False
broker_heartbeat = 10  # a silently lost connection is noticed after twice as many seconds
broker_connection_retry_on_startup = True
broker_connection_max_retries = None
broker_channel_error_retry = True  # reopen a closed channel instead of ending the worker
worker_cancel_long_running_tasks_on_connection_loss = False
timezone = "UTC"
beat_scheduler = "jobs.worker.marking_scheduler:MarkingScheduler"
# By the clock: each start of beat restarts an interval, so with daily deploys a daily task never ran.
beat_schedule = {
    "beat": {"task": "jobs.note_beat", "schedule": crontab()},  # each minute
    "retention": {"task": "jobs.keep_retention", "schedule": crontab(minute="7")},
    "payloads": {"task": "jobs.forget_payloads", "schedule": crontab(minute="23", hour="3")},
    "old": {"task": "jobs.forget_old", "schedule": crontab(minute="7", hour="4")},
    "letters": {"task": "jobs.purge_letters", "schedule": crontab(minute="37", hour="4")},
    "erasures": {"task": "jobs.continue_erasures", "schedule": crontab()},
    "edits": {"task": "jobs.continue_edits", "schedule": crontab()},
    "tokens": {"task": "jobs.warn_of_tokens", "schedule": crontab(minute="53", hour="3")},
    # Workers write what they sampled within a minute after the hour; another minute is for a slow database.
    "drift": {"task": "jobs.compare_drift", "schedule": crontab(minute="3")},
    "drift_webhooks": {"task": "jobs.send_drift_webhooks", "schedule": crontab()},
    "events": {"task": "jobs.forget_events", "schedule": crontab(minute="37", hour="3")},
}
