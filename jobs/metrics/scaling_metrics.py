"""What an autoscaler does with the workers of its host."""

from __future__ import annotations

from jobs.metrics.metric_kinds import counter, gauge

AUTOSCALER_WORKERS = gauge(
    "inference_autoscaler_workers",
    "Workers that a host's autoscaler runs: starting, serving or draining.",
    "state",
    mode="livesum",
)
AUTOSCALER_TARGET = gauge(
    "inference_autoscaler_target", "Workers that a host's autoscaler is to have.", mode="livesum"
)
AUTOSCALER_EVENTS = counter(
    "inference_autoscaler_events_total",
    "Workers that an autoscaler started, adopted, drained, killed after their grace, or saw die.",
    "event",
)
