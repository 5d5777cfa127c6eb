"""Expressions as Grafana and as Prometheus read them."""

from __future__ import annotations

from inference_site.watching.queries import CHOSEN, age, biggest, mean, quantile, rate


def test_a_rate_is_summed_by_its_labels() -> None:
    query = rate("jobs_total", "model", "outcome")
    assert query.expr == "sum by (model, outcome) (rate(jobs_total[$__rate_interval]))"
    assert query.legend == "{{model}} {{outcome}}"


def test_a_rate_without_labels_has_a_name() -> None:
    assert rate("jobs_total", name="jobs").expr == "sum (rate(jobs_total[$__rate_interval]))"
    assert rate("jobs_total", name="jobs").legend == "jobs"


def test_a_quantile_keeps_the_edges() -> None:
    query = quantile(0.95, "wait_seconds", "model", where='{stage="run"}')
    buckets = 'sum by (le, model) (rate(wait_seconds_bucket{stage="run"}[$__rate_interval]))'
    assert query.expr == f"histogram_quantile(0.95, {buckets})"
    assert query.legend == "p95 {{model}}"


def test_for_prometheus_all_models_are_chosen_and_rates_are_over_a_time() -> None:
    (part,) = {mean("wait_seconds", "model").plain("1m").count("[1m]")}
    assert part == 2
    assert 'wait_seconds_sum{model=~".*"}' in mean("wait_seconds", "model").plain("1m")
    assert "$" not in rate(f"jobs_total{CHOSEN}", "model").plain("1m")


def test_gauges_and_marks() -> None:
    assert biggest("age_seconds", "table", name="kept").legend == "{{table}} kept"
    assert age("last_seconds", "sweep").expr == "time() - max(last_seconds > 0)"
