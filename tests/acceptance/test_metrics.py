"""Whichever web process answers, its page of metrics covers every process of the stack."""

import httpx

from inference_site.stack.harness import Stack
from tests.support.app import App
from tests.support.wait import wait_until

STAGES = ("outbox", "broker", "buffer", "claim", "lane", "run", "settle")
GAP_S = 0.005
NAMES = (
    'inference_jobs_settled_total{model="echo",outcome="succeeded"}',
    'inference_relay_published_total{model="echo",outcome="confirmed"}',
)


def counts(stack: Stack) -> dict[str, float]:
    text = httpx.get(stack.info["metrics"], trust_env=False).raise_for_status().text
    lines = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in lines}


def test_every_answer_has_the_metrics_of_the_worker_and_of_the_relay(stack: Stack, app: App) -> None:
    before = counts(stack)
    assert app.all_finished(app.bulk("echo", [{"n": n} for n in range(20)])) == {"succeeded": 20}
    settled, published = NAMES
    wait_until(lambda: counts(stack).get(settled, 0) >= before.get(settled, 0) + 20)
    for _ in range(20):  # the web processes take turns
        now = counts(stack)
        assert now[settled] >= before.get(settled, 0) + 20
        assert now[published] > before.get(published, 0)
        assert now["inference_relay_queues_owned"] > 0


def test_the_stages_of_jobs_that_succeed_at_once_add_up_to_their_whole_time(stack: Stack, app: App) -> None:
    before, jobs = counts(stack), 20
    whole = 'inference_job_seconds_{}{{model="echo",outcome="succeeded"}}'
    ended = app.bulk("echo", [{"n": n} for n in range(jobs - 1)])
    assert app.all_finished(ended) == {"succeeded": jobs - 1}
    last = {"model": "echo", "input": {"n": jobs}}
    waited = app.http.post("/api/v1/jobs", json=last, headers={"Prefer": "wait=30"})
    assert waited.json()["state"] == "succeeded"
    count = whole.format("count")
    wait_until(lambda: counts(stack).get(count, 0.0) >= before.get(count, 0.0) + jobs)
    now = counts(stack)

    def grown(name: str) -> float:
        return now.get(name, 0.0) - before.get(name, 0.0)

    stage = 'inference_stage_seconds_{}{{model="echo",stage="{}"}}'
    assert [grown(stage.format("count", name)) for name in (*STAGES, "admit")] == [jobs] * (len(STAGES) + 1)
    assert grown(stage.format("count", "tell")) >= 1
    sums = sum(grown(stage.format("sum", name)) for name in STAGES)
    assert abs(sums - grown(whole.format("sum"))) / jobs < GAP_S
    accepted = 'inference_jobs_accepted_total{client="stack",model="echo"}'
    assert grown(accepted) == jobs
    route = 'inference_http_requests_total{method="POST",route="/api/v1/jobs",status="2xx"}'
    assert grown(route) == 1
    assert any(name.startswith("inference_build_info{") for name in now)
    assert now["inference_lanes"] > 0
