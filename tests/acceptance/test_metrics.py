"""Whichever web process answers, its page of metrics covers every process of the stack."""

import httpx

from inference_site.stack.harness import Stack
from tests.support.app import App
from tests.support.wait import wait_until

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
