"""The catalogue of all metrics: name, type, unit and meaning.

Each process counts its own. If PROMETHEUS_MULTIPROC_DIR names a folder, the processes of a host count there,
and each of them serves the metrics of all.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from threading import Thread

import psutil
from django.conf import settings
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
TURN_S = 5.0
_ITEMS = (1, 2, 4, 8, 16, 32, 48, 64, 96, 128, 256)

RELAY_PUBLISHED = Counter(
    "relay_published",
    "Messages by the broker's answer: confirmed, nacked, unroutable or unknown.",
    ["queue", "outcome"],
)
RETRIES_PUBLISHED = Counter("relay_retries", "Retries among the confirmed messages.", ["queue"])
RETRIES_POSTPONED = Counter(
    "relay_retries_postponed",
    "Retries that were postponed because their version's budget was used up.",
    ["queue"],
)
DEAD_LETTERS_PUBLISHED = Counter(
    "letters_published",
    "Dead letters by the broker's answer: confirmed, nacked, unroutable or unknown.",
    ["queue", "outcome"],
)
PAYLOADS_REFUSED = Counter(
    "payloads_refused",
    "Stored payloads that could not be read, by code; payload_plain and payload_unreadable are tampering.",
    ["code"],
)
RELAY_LAG = Histogram(
    "relay_lag_seconds", "From the time a job was due to its publish.", ["queue"], buckets=_SECONDS
)
RELAY_QUEUES = Gauge("relay_queues_owned", "Queues that relays feed.", multiprocess_mode="livesum")
OUTBOX_IN_FLIGHT = Gauge(
    "outbox_in_flight",
    "Messages published and not yet claimed.",
    ["queue"],
    multiprocess_mode="mostrecent",
)
STREAM_WAITING = Gauge(
    "stream_waiting",
    "Waiting clients, by long_poll, events or submits.",
    ["kind"],
    multiprocess_mode="livesum",
)
SWEEP_LAST = Gauge(
    "sweep_last_timestamp_seconds",
    "Unix time of the last complete sweep; alert when it is old.",
    multiprocess_mode="max",
)
SWEEP_REAPED = Counter("sweep_reaped", "Jobs taken back from workers that ended or stopped their heartbeat.")
SWEEP_EXPIRED = Counter("sweep_expired", "Jobs whose deadline passed while they waited.")
SHARED = Counter(
    "jobs_shared",
    "Jobs of versions with a cache or collapsing, by role: hit, follow, lead or alone.",
    ["role"],
)
FOLLOWERS_ENDED = Counter(
    "followers_ended",
    "Jobs that followed another, by their outcome: succeeded, dead or running.",
    ["how"],
)
RETENTION_LAST = Gauge(
    "retention_last_timestamp_seconds",
    "Unix time of the last complete run of retention; alert when it is old.",
    multiprocess_mode="max",
)
RETENTION_DROPPED = Counter(
    "retention_dropped",
    "Days of payloads that were dropped, by the days that they were kept.",
    ["keep_days"],
)
RETENTION_LEFT = Gauge(
    "retention_left_partitions",
    "Partitions that the last run could not create or drop; alert if it stays above 0.",
    multiprocess_mode="mostrecent",
)
RETENTION_MISPLACED = Gauge(
    "retention_misplaced_rows",
    "Rows of days without a partition; alert above 0.",
    ["table"],
    multiprocess_mode="mostrecent",
)
RETENTION_OUTLIVED = Gauge(
    "retention_outlived_rows",
    "Rows kept beyond their day because their jobs had not ended.",
    ["table"],
    multiprocess_mode="mostrecent",
)
SURVEY_TIME = Histogram("survey_seconds", "One count of the waiting jobs of all models.", buckets=_SECONDS)
HOST_CLOCK_AHEAD = Gauge(
    "host_clock_ahead_seconds",
    "How far this host's clock is ahead of the database's; alert beyond 5, either way.",
    multiprocess_mode="mostrecent",
)
HORIZON_AGE = Gauge(
    "database_horizon_seconds",
    "Age of the oldest open transaction, which keeps dead rows; by its application's name.",
    ["application"],
    multiprocess_mode="mostrecent",
)
HORIZON_PID = Gauge(
    "database_horizon_pid",
    "Process id of the oldest open transaction's server process; 0: none, or a prepared one.",
    multiprocess_mode="mostrecent",
)
SHED = Counter(
    "jobs_shed", "Jobs refused at admission, by reason: goal, deadline or full.", ["model", "reason"]
)
BEAT_LAST = Gauge(
    "beat_last_timestamp_seconds",
    "Unix time at which this CPU worker last ran a task that beat had sent; alert when it is old.",
    multiprocess_mode="max",
)
QUOTA_REFUSED = Counter(
    "quota_refused",
    "Jobs refused because of their client's quota: requests, bytes or in_flight.",
    ["client", "kind"],
)
AUDIT_SEALED_AT = Gauge(
    "audit_sealed_timestamp_seconds",
    "When this process last sealed the audit, seconds since 1970.",
    multiprocess_mode="mostrecent",
)
AUDIT_EXPORT_FAILURES = Counter("audit_export_failures", "Times that AUDIT_EXPORT could not be written.")
SWEEP_FAILED = Counter("sweep_failed", "Sweeps that failed.")

BATCHES = Counter("batches", "Sealed batches, by reason.", ["model", "reason"])
BATCH_SIZE = Histogram("batch_size_items", "Items of a batch.", ["model"], buckets=_ITEMS)
CLAIM_TIME = Histogram("claim_seconds", "One batch's claim in Postgres.", ["model"], buckets=_SECONDS)
RUN_TIME = Histogram("run_seconds", "One batch's run on the device.", ["model"], buckets=_SECONDS)
SETTLE_TIME = Histogram("settle_seconds", "One batch's settle in Postgres.", ["model"], buckets=_SECONDS)
JOBS_SETTLED = Counter("jobs_settled", "Verdicts: succeeded, waiting, dead or fenced.", ["model", "outcome"])

MESSAGES_NEWER = Counter(
    "messages_newer", "Messages of a later release than the worker's, whose jobs went back to the outbox."
)
MESSAGES_FORGED = Counter(
    "messages_forged",
    "Dead-lettered messages that contradict their job's row: somebody else publishes. Alert above 0.",
)
LOAD_FAILED = Gauge(
    "model_load_failed",
    "1 while a worker cannot load a version, by the version's id; alert above 0.",
    ["version"],
    multiprocess_mode="livemax",
)

WEBHOOKS = Counter(
    "webhooks",
    "Attempts to deliver a webhook, by outcome: delivered, waiting, disabled or given_up.",
    ["outcome"],
)
WEBHOOK_TIME = Histogram("webhook_seconds", "One attempt to deliver a webhook.", buckets=_SECONDS)

CIRCUITS_OPENED = Counter("circuits_opened", "Circuits that this worker opened.", ["version"])
CIRCUIT_STATE = Gauge(
    "circuit_state",
    "A version's circuit as a relay sees it: 0 closed, 1 half open, 2 open.",
    ["version"],
    multiprocess_mode="mostrecent",
)
CLIENTS_HELD = Gauge(
    "clients_held",
    "Clients that a circuit of their own holds back at a version, as a relay sees it.",
    ["version"],
    multiprocess_mode="mostrecent",
)
VERSION_RESTS = Counter(
    "version_rests",
    "Rests of versions that fail on this worker and not on others.",
    ["version"],
)

SPANS_DROPPED = Counter(
    "inference_spans_dropped",
    "Spans that were lost: the collector was away, slow or refused them.",
)


def counted() -> CollectorRegistry:
    """Return the metrics of all processes that share the folder, or else of this process."""
    folder: str = settings.INFERENCE.prometheus_multiproc_dir
    if not folder:
        return REGISTRY
    _forget_the_dead(Path(folder))
    registry = CollectorRegistry()
    MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]  # it ships no types here
    return registry


@cache
def serve() -> None:
    """Serve /metrics on METRICS_HOST and METRICS_PORT, if a port is set; a second call does nothing."""
    if settings.INFERENCE.metrics_port:
        _listen()


@cache
def serve_in_turn() -> None:
    """Do the same where several processes have one port, those of a web server: one of them serves it.

    When that one ends, another takes over. The page has the metrics of all if they share a folder.
    """
    if settings.INFERENCE.metrics_port:
        Thread(target=_listen_when_free, name="metrics", daemon=True).start()


def _listen_when_free() -> None:
    while True:
        try:
            return _listen()
        except OSError:
            time.sleep(TURN_S)


def _listen() -> None:
    config = settings.INFERENCE
    start_http_server(config.metrics_port, addr=config.metrics_host, registry=_Counted())


class _Counted(CollectorRegistry):
    """The metrics of all processes that share the folder, read again for each page."""

    def collect(self) -> Iterable[Metric]:
        """Yield them; the processes that ended meanwhile are left out."""
        return counted().collect()


def _forget_the_dead(folder: Path) -> None:
    """Drop the gauges of ended processes; their counters stay."""
    for pid in {int(file.stem.rpartition("_")[2]) for file in folder.glob("gauge_live*.db")}:
        if not psutil.pid_exists(pid):
            mark_process_dead(pid, folder)  # type: ignore[no-untyped-call]  # it ships no types here
