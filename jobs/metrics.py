"""The one catalogue of metrics: name, type, unit and meaning; every process counts its own."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_ITEMS = (1, 2, 4, 8, 16, 32, 48, 64, 96, 128, 256)

RELAY_PUBLISHED = Counter(
    "relay_published",
    "Messages by what the broker said: confirmed, nacked, unroutable or unknown.",
    ["queue", "outcome"],
)
RETRIES_PUBLISHED = Counter("relay_retries", "Retries among the messages that were confirmed.", ["queue"])
RETRIES_POSTPONED = Counter(
    "relay_retries_postponed", "Times that a retry over its version's budget was put off.", ["queue"]
)
LETTERS_PUBLISHED = Counter(
    "letters_published",
    "Letters of dead jobs by what the broker said: confirmed, nacked, unroutable or unknown.",
    ["queue", "outcome"],
)
RELAY_LAG = Histogram(
    "relay_lag_seconds", "From the time a job was due to its publish.", ["queue"], buckets=_SECONDS
)
RELAY_QUEUES = Gauge("relay_queues_owned", "Queues that this relay feeds.")
OUTBOX_IN_FLIGHT = Gauge("outbox_in_flight", "Messages published and not yet claimed.", ["queue"])
STREAM_WAITING = Gauge("stream_waiting", "Clients that wait here, by long_poll or events.", ["kind"])
SWEEP_LAST = Gauge("sweep_last_timestamp_seconds", "Unix time of the last whole sweep; alert when it is old.")
SWEEP_REAPED = Counter("sweep_reaped", "Jobs taken back from workers that ended or fell silent.")
SWEEP_EXPIRED = Counter("sweep_expired", "Jobs whose deadline passed while they waited.")
SHARED = Counter(
    "jobs_shared",
    "Jobs of versions with a cache or collapsing, by role: hit, follow, lead or alone.",
    ["role"],
)
FOLLOWERS_ENDED = Counter(
    "followers_ended",
    "Jobs that followed another, by what became of them: succeeded, dead or running.",
    ["how"],
)
SURVEY_TIME = Histogram("survey_seconds", "One count of what waits for each model.", buckets=_SECONDS)
SHED = Counter(
    "jobs_shed", "Jobs turned away at admission, by reason: goal, deadline or full.", ["model", "reason"]
)
QUOTA_REFUSED = Counter(
    "quota_refused",
    "Jobs refused for their client's quota: requests, bytes or in_flight.",
    ["client", "kind"],
)
SWEEP_FAILED = Counter("sweep_failed", "Sweeps that were broken off by an error.")

BATCHES = Counter("batches", "Batches that were sealed, by the reason.", ["model", "reason"])
BATCH_SIZE = Histogram("batch_size_items", "Items of a batch.", ["model"], buckets=_ITEMS)
CLAIM_TIME = Histogram("claim_seconds", "One batch's claim in Postgres.", ["model"], buckets=_SECONDS)
RUN_TIME = Histogram("run_seconds", "One batch's run on the device.", ["model"], buckets=_SECONDS)
SETTLE_TIME = Histogram("settle_seconds", "One batch's settle in Postgres.", ["model"], buckets=_SECONDS)
JOBS_SETTLED = Counter("jobs_settled", "Verdicts: succeeded, waiting, dead or fenced.", ["model", "outcome"])

CIRCUITS_OPENED = Counter("circuits_opened", "Circuits that this worker opened.", ["version"])
CIRCUIT_STATE = Gauge(
    "circuit_state", "A version's circuit as a relay sees it: 0 closed, 1 half open, 2 open.", ["version"]
)
