"""What the relay counts, and the loops beside it."""

from __future__ import annotations

from jobs.metrics.metric_kinds import counter, gauge, histogram

RELAY_PUBLISHED = counter(
    "inference_relay_published_total",
    "Jobs that were sent to the broker, by its answer: confirmed, nacked, unroutable or unknown.",
    "model",
    "outcome",
)
RETRIES_PUBLISHED = counter("inference_relay_retries_total", "Retries among the confirmed jobs.", "model")
RETRIES_POSTPONED = counter(
    "inference_relay_retries_postponed_total",
    "Retries that were postponed because their version's budget was used up.",
    "model",
)
DEAD_LETTERS_PUBLISHED = counter(
    "inference_letters_published_total",
    "Dead letters by the broker's answer: confirmed, nacked, unroutable or unknown.",
    "model",
    "outcome",
)
RELAY_LAG = histogram("inference_relay_lag_seconds", "From the time a job was due to its publish.")
RELAY_QUEUES = gauge("inference_relay_queues_owned", "Queues that relays feed.", mode="livesum")
OUTBOX_IN_FLIGHT = gauge(
    "inference_outbox_in_flight_jobs", "Jobs published and not yet claimed.", "model", mode="livemostrecent"
)
BROKER_BLOCKED = gauge(
    "inference_broker_blocked_connections",
    "Connections on which the broker takes no messages: it lacks memory or disk. Alert above 0.",
    mode="livesum",
)
CIRCUIT_STATE = gauge(
    "inference_circuit_state",
    "A version's circuit as a relay sees it: 0 closed, 1 half open, 2 open.",
    "version",
    mode="livemostrecent",
)
CLIENTS_HELD = gauge(
    "inference_clients_held",
    "Clients that a circuit of their own holds back at a version, as a relay sees it.",
    "version",
    mode="livemostrecent",
)
SWEEP_LAST = gauge(
    "inference_sweep_last_timestamp_seconds",
    "Unix time of the last complete sweep; alert when it is old.",
    mode="livemax",
)
SWEEP_REAPED = counter(
    "inference_sweep_reaped_total", "Jobs taken back from workers that ended or stopped their heartbeat."
)
SWEEP_EXPIRED = counter("inference_sweep_expired_total", "Jobs whose deadline passed while they waited.")
SWEEP_FAILED = counter("inference_sweep_failed_total", "Sweeps that failed.")
SURVEY_TIME = histogram("inference_survey_seconds", "One count of the waiting jobs of all models.")
RECORDING_TIME = histogram(
    "inference_recording_seconds", "One second of the live page's history, read and stored."
)
AUDIT_SEALED_AT = gauge(
    "inference_audit_sealed_timestamp_seconds",
    "When this process last sealed the audit, seconds since 1970.",
    mode="livemostrecent",
)
AUDIT_EXPORT_FAILURES = counter(
    "inference_audit_export_failures_total", "Times that AUDIT_EXPORT could not be written."
)
