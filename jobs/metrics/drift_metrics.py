"""What is counted of drift; the gauges are read from the rows, so every process's page has the same."""

from __future__ import annotations

from jobs.metrics.metric_kinds import counter, read_gauge

# Without names of models: a page has room for few series, and the gauges below have them.
DRIFT_ALARMS = counter("inference_drift_alarms_total", "Alarms of drift, one an hour and version.")
DRIFT_SAMPLED = counter(
    "inference_drift_sampled_jobs_total",
    "Jobs that a worker sampled for drift, by outcome: read, unreadable, or dropped to keep it cheap.",
    "outcome",
)
DRIFT_CPU = counter(
    "inference_drift_cpu_seconds_total", "Seconds of a core that a worker's thread of samples has taken."
)
DRIFT_FIELDS = read_gauge(
    "inference_drift_fields",
    "Fields of a version that drift: two hours running, among the last three hours.",
    "model",
    "version",
)
DRIFT_PSI = read_gauge(
    "inference_drift_psi_ratio",
    "Stability index of each field's last hour against its reference; see also the bound of chance.",
    "model",
    "version",
    "field",
)
