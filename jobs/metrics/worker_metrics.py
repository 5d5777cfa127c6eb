"""What GPU workers count beside their jobs: messages, and the models in memory."""

from __future__ import annotations

from jobs.metrics.metric_kinds import counter, gauge, histogram

MESSAGES_NEWER = counter(
    "inference_messages_newer_total",
    "Messages of a later release than the worker's, whose jobs went back to the outbox.",
)
MESSAGES_FORGED = counter(
    "inference_messages_forged_total",
    "Dead-lettered messages that contradict their job's row: somebody else publishes. Alert above 0.",
)
LOAD_FAILED = gauge(
    "inference_model_load_failed",
    "1 while a worker cannot load a version; alert above 0.",
    "version",
    mode="livemax",
)
LOAD_TIME = histogram(
    "inference_model_load_seconds", "One load of a version, fetching its artifact included."
)
POOL_LOADS = counter(
    "inference_pool_loads_total", "Loads of versions, by outcome: loaded or failed.", "version", "outcome"
)
POOL_EVICTIONS = counter("inference_pool_evictions_total", "Versions that left a worker's memory.", "version")
POOL_BYTES = gauge(
    "inference_pool_bytes", "Memory that a loaded version occupies in workers.", "version", mode="livesum"
)
CIRCUITS_OPENED = counter("inference_circuits_opened_total", "Circuits that this worker opened.", "version")
VERSION_RESTS = counter(
    "inference_version_rests_total",
    "Rests of versions that fail on this worker and not on others.",
    "version",
)
