"""What is counted of jobs and batches: stages, ends, failures."""

from __future__ import annotations

from jobs.metrics.metric_kinds import JOBS, SHARES, counter, gauge, histogram

BUILD = gauge(
    "inference_build_info",
    "1, with the release, or `source` where it is not installed, and the Python that the process runs.",
    "version",
    "python",
    mode="livemax",
)
STAGE_TIME = histogram(
    "inference_stage_seconds",
    "How long a job was in a stage: admit, outbox, broker, buffer, claim, lane, run, settle or tell.",
    "model",
    "stage",
)
JOB_TIME = histogram(
    "inference_job_seconds",
    "From a job's creation to its end, by outcome: succeeded, dead, expired or cancelled.",
    "model",
    "outcome",
)
JOBS_SETTLED = counter(
    "inference_jobs_settled_total",
    "Stored verdicts: succeeded, waiting, dead or expired.",
    "model",
    "outcome",
)
VERDICTS_FENCED = counter(
    "inference_verdicts_fenced_total",
    "Verdicts that came too late: their job had changed meanwhile.",
    "model",
)
RETRIES = counter(
    "inference_job_retries_total", "Failed attempts that are tried again, by failure.", "kind", "code"
)
DEATHS = counter("inference_job_deaths_total", "Jobs that died, by failure.", "kind", "code")
BATCHES = counter(
    "inference_batches_total", "Settled batches, by the reason of their seal.", "model", "reason"
)
BATCH_SIZE = histogram("inference_batch_size_jobs", "Jobs of a batch.", "model", edges=JOBS)
PADDING = histogram(
    "inference_batch_padding_ratio",
    "The part of a padded batch that is padding; only of versions that pad.",
    "model",
    edges=SHARES,
)
LANE_BUSY = counter("inference_lane_busy_seconds_total", "Seconds for which lanes ran batches.", "model")
LANES = gauge("inference_lanes", "Lanes of the workers: how many batches can run at once.", mode="livesum")
