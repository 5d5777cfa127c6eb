"""What is counted of the database, of what is kept, and by the CPU worker."""

from __future__ import annotations

from jobs.metrics.metric_kinds import counter, gauge, histogram

HOST_CLOCK_AHEAD = gauge(
    "inference_host_clock_ahead_seconds",
    "How far this host's clock is ahead of the database's; alert beyond 5, either way.",
    mode="livemostrecent",
)
HORIZON_AGE = gauge(
    "inference_database_horizon_seconds",
    "Age of the oldest open transaction, which keeps dead rows; by its application's name.",
    "application",
    mode="livemostrecent",
)
HORIZON_PID = gauge(
    "inference_database_horizon_pid",
    "Process id of the oldest open transaction's server process; 0: none, or a prepared one.",
    mode="livemostrecent",
)
PAYLOADS_REFUSED = counter(
    "inference_payloads_refused_total",
    "Stored payloads that could not be read, by code; payload_plain and payload_unreadable are tampering.",
    "code",
)
RETENTION_LAST = gauge(
    "inference_retention_last_timestamp_seconds",
    "Unix time of the last complete run of retention; alert when it is old.",
    mode="livemax",
)
RETENTION_DROPPED = counter(
    "inference_retention_dropped_total",
    "Days of payloads that were dropped, by the days that they were kept.",
    "keep_days",
)
RETENTION_LEFT = gauge(
    "inference_retention_left_partitions",
    "Partitions that the last run could not create or drop; alert if it stays above 0.",
    mode="livemostrecent",
)
RETENTION_MISPLACED = gauge(
    "inference_retention_misplaced_rows",
    "Rows of days without a partition; alert above 0.",
    "table",
    mode="livemostrecent",
)
RETENTION_OUTLIVED = gauge(
    "inference_retention_outlived_rows",
    "Rows kept beyond their day because their jobs had not ended.",
    "table",
    mode="livemostrecent",
)
WEBHOOKS = counter(
    "inference_webhooks_total",
    "Attempts to deliver a webhook, by outcome: delivered, waiting, disabled or given_up.",
    "outcome",
)
WEBHOOK_TIME = histogram("inference_webhook_seconds", "One attempt to deliver a webhook.")
BEAT_LAST = gauge(
    "inference_beat_last_timestamp_seconds",
    "Unix time at which this CPU worker last ran a task that beat had sent; alert when it is old.",
    mode="livemax",
)
SPANS_DROPPED = counter(
    "inference_spans_dropped_total",
    "Spans that were lost: the collector of traces was away, slow or refused them.",
)
