"""The dashboards about jobs: the overview, a model, the clients."""

from __future__ import annotations

from inference_site.watching.panels import Dashboard, count, each_second, seconds, share
from inference_site.watching.queries import CHOSEN, Query, mean, quantile, rate, summed

SUCCEEDED = '{outcome="succeeded"}'
SUCCEEDED_CHOSEN = '{outcome="succeeded",model=~"$model"}'

OVERVIEW = Dashboard(
    "overview",
    "Overview",
    (
        count("Alerts that fire", Query('count(ALERTS{alertstate="firing"}) or vector(0)', "alerts")),
        share(
            "Late jobs",
            Query("model:inference_late_jobs:ratio_rate5m", "{{model}}"),
            note="Jobs that ended later than their model's goal, which allows 5 %.",
        ),
        seconds("Created to succeeded", quantile(0.95, "inference_job_seconds", "model", where=SUCCEEDED)),
        count("Jobs that wait", Query("model:inference_queue_jobs:sum", "{{model}}"), stacked=True),
        seconds("Oldest job that is due", Query("model:inference_queue_oldest_seconds:max", "{{model}}")),
        each_second(
            "In and out",
            Query("model:inference_arrivals_per_second:max", "{{model}} in"),
            Query("model:inference_drain_per_second:max", "{{model}} out"),
            note="What arrives, and what the workers can finish.",
        ),
        seconds("Time to drain", Query("model:inference_backlog_seconds:max", "{{model}}")),
        count(
            "Workers",
            Query("model_state:inference_workers:max", "{{model}} {{state}}"),
            Query("model:inference_workers_wanted:max", "{{model}} wanted"),
        ),
        each_second("Jobs that end", rate("inference_job_seconds_count", "outcome"), stacked=True),
        count("Dead letters", Query("model:inference_dead_letters:max", "{{model}}")),
        each_second("Calls by status", rate("inference_http_requests_total", "status"), stacked=True),
        count("Processes that can be scraped", summed("up", "job")),
    ),
)

MODEL = Dashboard(
    "model",
    "Model",
    (
        seconds(
            "Created to succeeded",
            *(quantile(part, "inference_job_seconds", where=SUCCEEDED_CHOSEN) for part in (0.5, 0.95, 0.99)),
            Query(f"model:inference_goal_seconds:max{CHOSEN}", "goal of {{model}}"),
        ),
        seconds(
            "Seconds by stage",
            mean("inference_stage_seconds", "stage"),
            note="Means. Outbox to settle add up to the whole of a job that succeeds at once.",
            stacked=True,
        ),
        seconds("Slowest twentieth", quantile(0.95, "inference_stage_seconds", "stage", where=CHOSEN)),
        count(
            "Jobs that wait, by priority",
            summed(f"model_priority:inference_queue_jobs:max{CHOSEN}", "priority"),
            stacked=True,
        ),
        each_second(
            "In and out",
            Query(f"model:inference_arrivals_per_second:max{CHOSEN}", "{{model}} in"),
            Query(f"model:inference_drain_per_second:max{CHOSEN}", "{{model}} out"),
        ),
        share(
            "Late jobs",
            Query(f"model:inference_late_jobs:ratio_rate5m{CHOSEN}", "{{model}}, 5 minutes"),
            Query(f"model:inference_late_jobs:ratio_rate6h{CHOSEN}", "{{model}}, 6 hours"),
        ),
        each_second("Batches, by what sealed them", rate(f"inference_batches_total{CHOSEN}", "reason")),
        count("Jobs of a batch", mean("inference_batch_size_jobs", "model")),
        share("Padding", mean("inference_batch_padding_ratio", "model"), note="Of versions that pad."),
        each_second(
            "Verdicts",
            rate(f"inference_jobs_settled_total{CHOSEN}", "outcome"),
            rate(f"inference_verdicts_fenced_total{CHOSEN}", name="fenced"),
        ),
        each_second(
            "Attempts to be tried again, all models", rate("inference_job_retries_total", "kind", "code")
        ),
        each_second("Deaths, all models", rate("inference_job_deaths_total", "kind", "code")),
    ),
    by_model=True,
)

CLIENTS = Dashboard(
    "clients",
    "Clients",
    (
        each_second(
            "Accepted jobs by client",
            rate("inference_jobs_accepted_total", "client"),
            note="The busiest clients of each process, and the others together.",
            stacked=True,
        ),
        each_second("Accepted jobs by model", rate("inference_jobs_accepted_total", "model"), stacked=True),
        each_second("Refused jobs", rate("inference_jobs_refused_total", "reason")),
        each_second("Refused for load", rate("inference_jobs_shed_total", "model", "reason")),
        each_second("Refused for quotas", rate("inference_quota_refused_total", "client", "kind")),
        count("Clients that wait", summed("inference_stream_waiting", "kind")),
        each_second("Calls by route", rate("inference_http_requests_total", "method", "route")),
        seconds("Slowest twentieth of calls", quantile(0.95, "inference_http_request_seconds", "route")),
        each_second(
            "Calls that fail",
            rate('inference_http_requests_total{status=~"4xx|5xx"}', "status", "method", "route"),
        ),
        each_second("Attempts to deliver webhooks", rate("inference_webhooks_total", "outcome")),
        seconds("One attempt", quantile(0.95, "inference_webhook_seconds")),
        each_second("Jobs that may share a result", rate("inference_jobs_shared_total", "role")),
    ),
)
