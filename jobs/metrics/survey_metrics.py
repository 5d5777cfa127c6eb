"""What the surveyor counts in Postgres: no process counts it, and every process's page shows it."""

from __future__ import annotations

from jobs.metrics.metric_kinds import read_gauge

QUEUE_JOBS = read_gauge(
    "inference_queue_jobs", "Jobs that wait for a model, by API priority 0 to 9.", "model", "priority"
)
QUEUE_OLDEST = read_gauge(
    "inference_queue_oldest_seconds", "For how long the first waiting job of a model has waited.", "model"
)
ARRIVALS = read_gauge(
    "inference_arrivals_per_second", "Jobs that came for a model, over about ten seconds.", "model"
)
DRAIN = read_gauge(
    "inference_drain_per_second",
    "Jobs that a model's workers can finish; absent while no worker has run any lately.",
    "model",
)
BACKLOG = read_gauge(
    "inference_backlog_seconds",
    "How long the workers need for what waits; absent while jobs wait and the drain is unknown.",
    "model",
)
WORKERS = read_gauge(
    "inference_workers",
    "Workers that serve a model: busy with a batch of it, idle, or silent, which means without a heartbeat.",
    "model",
    "state",
)
WORKERS_WANTED = read_gauge(
    "inference_workers_wanted",
    "Workers that a model should have for what arrives, what waits and its goal.",
    "model",
)
DEAD_LETTERS = read_gauge(
    "inference_dead_letters", "Dead jobs of a model that were neither replayed nor discarded.", "model"
)
GOAL = read_gauge(
    "inference_goal_seconds",
    "The goal of a model's default version: seconds from admission to result, at the 95th percentile.",
    "model",
)
SURVEY_AGE = read_gauge(
    "inference_survey_age_seconds",
    "Age of the count that the gauges of queues and workers are from; they vanish when it is above 10.",
)
DATABASE_UP = read_gauge(
    "inference_database_up",
    "1 where the process read the queues' count for this page; 0 where that failed or took over a second.",
)
PAGE_UNREAD = read_gauge(
    "inference_page_unread",
    "1 where this part of the page was not read within 30 seconds, so that its metrics are absent; else 0.",
    "part",
)
ARCHIVE_FAILING = read_gauge(
    "inference_database_archive_failing_seconds",
    "For how long the archive has not taken the ready part of the database's log; 0: it does, or is none.",
)
SLOT_ACTIVE = read_gauge(
    "inference_replication_slot_active",
    "1 where a standby reads this slot, 0 where it is away.",
    "slot",
)
SLOT_BEHIND = read_gauge(
    "inference_replication_slot_behind_bytes",
    "How much of the log the database keeps for the standby of this slot; absent where the slot was lost.",
    "slot",
)
