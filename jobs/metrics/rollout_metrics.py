"""What roll-outs show: the gauges are read from their rows, so every process's page has the same."""

from __future__ import annotations

from jobs.metrics.metric_kinds import counter, histogram, read_gauge

ROLLED_BACK = counter(
    "inference_rollouts_rolled_back_total", "Roll-outs that went back, by the judge or by a person.", "model"
)
ROLLOUT_ATTEMPTS = counter(
    "inference_rollout_attempts_total",
    "First attempts that the judge has read, by arm and result: answered, failed or refused.",
    "model",
    "arm",
    "result",
)
ROLLOUT_BATCH_TIME = histogram(
    "inference_rollout_batch_seconds",
    "From the last publish of the oldest job of a batch until its verdict, by arm of a roll-out.",
    "model",
    "arm",
    edges=(0.1, 0.5, 2.0, 10.0, 60.0),  # few: three arms of fifty models have to fit a page
)
ROLLOUT_SHARE = read_gauge(
    "inference_rollout_share_ratio", "The candidate's share of a live roll-out now.", "model", "alias"
)
ROLLOUT_MET = read_gauge(
    "inference_rollout_met_jobs", "Jobs that the candidate of a live roll-out has claimed.", "model", "alias"
)
ROLLOUT_BUDGET = read_gauge(
    "inference_rollout_budget_jobs",
    "Jobs that the candidate of a live roll-out may claim until it is proven.",
    "model",
    "alias",
)
ROLLOUT_E_VALUE = read_gauge(
    "inference_rollout_e_value",
    "What each test of a live roll-out found: at 200 for failures, 1,000 for the others, it goes back.",
    "model",
    "alias",
    "test",
)
ROLLOUT_HELD = read_gauge(
    "inference_rollout_held_seconds",
    "For how long a live roll-out has been held, by the reason.",
    "model",
    "alias",
    "reason",
)
CASCADE_STEPS = counter(
    "inference_cascade_steps_total",
    "Answers in cascades: `enough`, `below` the threshold or `no_confidence`, or what hindered the next step:"
    " `no_time`, `circuit` or `switched_off`.",
    "model",
    "answer",
)
FLAG_EXPIRED = read_gauge(
    "inference_flag_expired_seconds",
    "For how long a flag has been past the end that its owner gave it.",
    "flag",
)
SHADOW_COPIES = read_gauge(
    "inference_shadow_copies_jobs",
    "Copies for the shadow of the rule in force, by what became of them: open, run, old, unwanted or lost.",
    "model",
    "alias",
    "fate",
)
SHADOW_FAILED = read_gauge(
    "inference_shadow_failed_jobs", "Copies that the shadow alone failed.", "model", "alias"
)
SHADOW_AGREEMENT = read_gauge(
    "inference_shadow_agreement_ratio",
    "The part of the outputs of a shadow that agree with the stable version's.",
    "model",
    "alias",
)
SHADOW_STOPPED = read_gauge(
    "inference_shadow_stopped",
    "1 where the platform stopped the shadow of the rule in force: a worker died, or no copy could run.",
    "model",
    "alias",
)
