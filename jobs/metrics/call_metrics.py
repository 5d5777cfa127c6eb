"""What the servers count: calls, and the jobs that were accepted or refused."""

from __future__ import annotations

import os

from jobs.counting.file_owner import FOLDER
from jobs.counting.known_labels import labels_in_folder
from jobs.metrics.busiest_names import BusiestNames
from jobs.metrics.metric_kinds import counter, gauge, histogram

JOBS_ACCEPTED = counter("inference_jobs_accepted_total", "Jobs that were stored.", "model", "client")
JOBS_REFUSED = counter(
    "inference_jobs_refused_total",
    "Jobs of readable calls that were not stored, by the problem's code.",
    "reason",
)
SHED = counter(
    "inference_jobs_shed_total", "Jobs refused for load: goal, deadline or full.", "model", "reason"
)
QUOTA_REFUSED = counter(
    "inference_quota_refused_total",
    "Jobs refused because of their client's quota: requests, bytes or in_flight.",
    "client",
    "kind",
)
SHARED = counter(
    "inference_jobs_shared_total",
    "Jobs of versions with a cache or collapsing, by role: hit, follow, lead or alone.",
    "role",
)
STICKY_MISSING = counter(
    "inference_sticky_missing_total",
    "Jobs whose metadata lacks what their rule is sticky by, so that their input decided.",
    "model",
)
FOLLOWERS_ENDED = counter(
    "inference_followers_ended_total",
    "Jobs that followed another, by their outcome: succeeded, dead or running.",
    "how",
)
HTTP_REQUESTS = counter(
    "inference_http_requests_total",
    "Answered calls, by route, method and class of the status; a path without a route is `unmatched`.",
    "route",
    "method",
    "status",
)
HTTP_TIME = histogram(
    "inference_http_request_seconds",
    "From a call's first byte to its answer's last, waits included.",
    "route",
)
STREAM_WAITING = gauge(
    "inference_stream_waiting",
    "Waiting clients, by long_poll, events, rollout_events or submits.",
    "kind",
    mode="livesum",
)


def _end_series_of(client: str) -> None:
    for metric in (JOBS_ACCEPTED, QUOTA_REFUSED):
        metric.remove_by_labels({"client": client})


def _clients_of_others() -> set[str]:
    return labels_in_folder("client")


CLIENTS = (
    BusiestNames(known=_clients_of_others) if os.environ.get(FOLDER) else BusiestNames(forget=_end_series_of)
)
FEEDBACK = counter(
    "inference_feedback_total",
    "Values that clients gave to answers of their jobs: stored, or repeated.",
    "model",
    "result",
)
FEEDBACK_REFUSED = counter(
    "inference_feedback_refused_total", "Values that were not stored, by the problem's code.", "reason"
)
