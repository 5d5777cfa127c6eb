"""A call with `traceparent` can be followed through the whole stack, however its jobs go."""

from __future__ import annotations

import json
import secrets
import time
from collections import Counter
from typing import Any

import httpx
import pytest

from inference_site.stack.harness import Stack
from tests.support.app import JOBS, App, manage, register
from tests.support.collector import Collector, SeenSpan
from tests.support.receiver import receiving
from tests.support.wait import wait_until

QUICK = {"retry": {"base_s": 0.1, "cap_s": 0.2}, "breaker": {"enabled": False}}
STATE = "vendor=a1"
SECRET_TEXT = "what nobody else may read"


@pytest.fixture(scope="module", autouse=True)
def versions(stack: Stack) -> None:
    register(stack, "echo", "retried", "faulty", **QUICK)
    register(stack, "echo", "shared", "sleeper", base_s=1.0, cache_ttl_s=600, collapse=True)


class Caller:
    """An app that is traced itself, in a trace of its own."""

    def __init__(self, app: App, collector: Collector) -> None:
        self.app, self.collector = app, collector
        self.trace, self.span = secrets.token_hex(16), secrets.token_hex(8)
        self.headers = {"traceparent": f"00-{self.trace}-{self.span}-01", "tracestate": STATE}

    def post(self, path: str, body: Any) -> Any:
        answer = self.app.http.post(path, json=body, headers=self.headers)
        assert answer.is_success, answer.text
        return answer.json()

    def submit(self, model: str, value: Any, **fields: Any) -> str:
        return str(self.post(JOBS, {"model": model, "input": value, **fields})["id"])

    def spans(self, name: str, number: int = 1) -> list[SeenSpan]:
        """Return the spans of this name in the caller's trace, once there are so many."""

        def of_trace() -> list[SeenSpan]:
            return [span for span in self.collector.named(name) if span.trace == self.trace]

        wait_until(lambda: len(of_trace()) >= number, limit_s=30, what=f"{name} of {self.trace}")
        return sorted(of_trace(), key=lambda span: span.began_ns)

    def one(self, name: str) -> SeenSpan:
        (span,) = self.spans(name)
        return span

    def linked(self, name: str, place: tuple[str, str]) -> list[SeenSpan]:
        """Return the spans of this name, of any trace, that link to a place, once there are any."""

        def linking() -> list[SeenSpan]:
            return [span for span in self.collector.named(name) if place in span.links]

        return wait_until(lambda: linking() or None, limit_s=30, what=f"{name} linked to {place}")


@pytest.fixture
def caller(app: App, collector: Collector) -> Caller:
    return Caller(app, collector)


@pytest.mark.parametrize("road", ["plain", "django"])
def test_a_job_is_followed_from_its_caller_to_its_webhook(stack: Stack, caller: Caller, road: str) -> None:
    if road == "django":
        manage(stack, "webhook_secret", "stack")
    with receiving() as receiver:
        fields = {"callback_url": receiver.url} if road == "django" else {}
        job = caller.submit("echo", {"text": SECRET_TEXT}, **fields)
        caller.app.finished(job)
        wait_until(lambda: road == "plain" or receiver.requests)
        hooks = receiver.requests
    server, create, infer = (caller.one(name) for name in ("POST /api/v1/jobs", "create echo", "infer echo"))
    assert (server.parent, create.parent, infer.parent) == (caller.span, server.id, create.id)
    assert server.attributes["http.response.status_code"] == 202
    assert create.attributes["messaging.message.id"] == infer.attributes["messaging.message.id"] == job
    (publish,) = caller.linked("publish infer.echo", create.place)
    (process,) = caller.linked("process infer.echo", create.place)
    assert (publish.parent, process.parent) == ("", "")
    assert infer.links == [process.place, publish.place]
    assert create.began_ns <= infer.began_ns <= process.began_ns <= process.ended_ns == infer.ended_ns
    children = {span.name: span for span in caller.collector.spans if span.parent == process.id}
    assert {"claim", "collate", "run", "settle"} <= children.keys() <= {"load", *children}
    assert all(process.began_ns <= c.began_ns <= c.ended_ns <= process.ended_ns for c in children.values())
    if road == "django":
        webhook = caller.one("webhook")
        assert (webhook.parent, webhook.attributes["http.response.status_code"]) == (create.id, 200)
        assert hooks[0][0]["traceparent"] == f"00-{caller.trace}-{webhook.id}-01"
        assert (hooks[0][0]["tracestate"], webhook.state) == (STATE, STATE)
    assert {span.state for span in (server, create, infer)} == {STATE}


def test_a_span_holds_ids_and_nothing_that_a_client_sent(caller: Caller) -> None:
    caller.app.finished(caller.submit("echo", {"text": SECRET_TEXT}, metadata={"who": SECRET_TEXT}))
    bad = caller.submit("echo:retried", {"fail": "raise", "message": SECRET_TEXT}, max_attempts=1)
    caller.app.finished(bad)
    caller.spans("infer echo", 2)
    everything = repr(caller.collector.spans)
    assert SECRET_TEXT not in everything
    assert "stack" not in {str(v) for span in caller.collector.spans for v in span.attributes.values()}


def test_each_job_of_a_call_has_a_span_and_each_batch_a_link_to_each_of_its_traced_jobs(
    caller: Caller, app: App
) -> None:
    values = [{"model": "echo", "input": {"n": n}} for n in range(40)]
    plain = app.bulk("echo", [{"n": n} for n in range(40)])  # beside them in the same batches
    answer = caller.post(f"{JOBS}/bulk", [*values, {"model": "nobody", "input": {}}])
    ids = [job["id"] for job in answer["jobs"] if "id" in job]
    app.all_finished([*ids, *plain])
    created, inferred = caller.spans("create echo", 40), caller.spans("infer echo", 40)
    assert {span.parent for span in inferred} == {span.id for span in created}
    assert {span.attributes["messaging.message.id"] for span in created} == set(ids)
    batches = {span.links[0] for span in inferred}
    processed = [span for span in caller.collector.named("process infer.echo") if span.place in batches]
    links = Counter(link for span in processed for link in span.links)
    assert links == {span.place: 1 for span in created}
    assert sum(span.attributes["messaging.batch.message_count"] for span in processed) >= len(created)


def test_the_lines_of_a_stream_are_followed_too(caller: Caller, app: App) -> None:
    lines = "".join(json.dumps({"model": "echo", "input": {"n": n}}) + "\n" for n in range(3))
    answer = app.http.post(f"{JOBS}/stream", content=lines, headers=caller.headers)
    ids = {json.loads(line)["id"] for line in answer.text.splitlines() if line}
    app.all_finished(sorted(ids))
    (server,) = caller.spans("POST /api/v1/jobs/stream")
    created = caller.spans("create echo", 3)
    assert {span.attributes["messaging.message.id"] for span in created} == ids
    assert {span.parent for span in created} == {server.id}
    assert len(caller.spans("infer echo", 3)) == 3


def test_a_large_call_has_one_span_for_all_its_jobs(caller: Caller, app: App) -> None:
    answer = caller.post(f"{JOBS}/bulk", [{"model": "echo", "input": {"n": n}} for n in range(257)])
    app.all_finished([job["id"] for job in answer["jobs"]])
    create = caller.one("create echo")
    assert create.attributes["messaging.batch.message_count"] == 257
    assert {span.parent for span in caller.spans("infer echo", 257)} == {create.id}


def test_each_attempt_and_a_replay_stay_in_the_caller_s_trace(caller: Caller, app: App) -> None:
    value = {"fail": "retry", "until": time.time() + 0.6}
    job = app.finished(caller.submit("echo:retried", value, max_attempts=100))
    attempts = caller.spans("infer echo", job["attempts"])
    assert [span.attributes["inference.attempt"] for span in attempts] == list(range(1, job["attempts"] + 1))
    outcomes = [span.attributes["inference.outcome"] for span in attempts]
    assert outcomes == ["waiting"] * (job["attempts"] - 1) + ["succeeded"]
    assert [span.failed for span in attempts] == [True] * (job["attempts"] - 1) + [False]
    dead = app.finished(caller.submit("echo:retried", {"fail": "invalid"}))["id"]
    app.act(dead, "replay")
    app.finished(dead)
    spans = [s for s in caller.spans("infer echo", len(attempts) + 2) if s not in attempts]
    (create,) = [s for s in caller.spans("create echo", 2) if s.attributes["messaging.message.id"] == dead]
    assert [(s.parent, s.attributes["inference.outcome"]) for s in spans] == [(create.id, "dead")] * 2
    assert len({span.links[0] for span in spans}) == 2, "each ran in a batch of its own"


def test_a_job_that_is_cancelled_or_expires_has_its_end_in_the_trace(caller: Caller, app: App) -> None:
    blocked = app.bulk("sleeper:slow", [{"n": n} for n in range(3)], priority=9)
    expired = caller.submit("sleeper:slow", {}, deadline_s=1, priority=0)
    cancelled = caller.submit("sleeper:slow", {}, priority=0)
    app.act(cancelled, "cancel")
    app.finished(expired)
    spans = {s.attributes["messaging.message.id"]: s for s in caller.spans("infer sleeper", 2)}
    app.cancel_live(blocked)
    states = {job: app.job(job)["state"] for job in (expired, cancelled)}
    assert {job: spans[job].attributes["inference.outcome"] for job in states} == states
    assert states == {expired: "expired", cancelled: "cancelled"}
    assert (spans[expired].failed, spans[cancelled].failed) == (True, False)


def test_a_job_that_another_answers_links_to_it(caller: Caller, collector: Collector, app: App) -> None:
    same = {"text": secrets.token_hex(4)}
    leader = caller.submit("echo:shared", same)
    (led,) = caller.spans("create echo")
    others = [Caller(app, collector), Caller(app, collector)]
    follower = others[0].submit("echo:shared", same)
    app.finished(leader)
    app.finished(follower)
    hit = others[1].post(JOBS, {"model": "echo:shared", "input": same})
    assert hit["cached_from"] == leader
    follows, takes = (other.one("create echo") for other in others)
    assert (follows.links, follows.attributes["inference.shared"]) == ([led.place], "follow")
    assert (takes.links, takes.attributes["inference.shared"]) == ([led.place], "hit")
    answered = others[0].one("infer echo")
    assert (answered.parent, answered.links) == (follows.id, [led.place])
    assert answered.attributes["inference.outcome"] == "succeeded"


@pytest.mark.parametrize("header", ["rubbish", "00-0-0-01", "ff" * 30, ""])
def test_a_malformed_header_is_ignored(app: App, collector: Collector, header: str) -> None:
    before = len(collector.named("POST /api/v1/jobs"))
    answer = app.http.post(JOBS, json={"model": "echo", "input": {}}, headers={"traceparent": header})
    assert answer.status_code == 202
    job = app.finished(answer.json()["id"])
    assert job["state"] == "succeeded"
    assert app.rows("SELECT traceparent FROM jobs_jobinput WHERE job_id = %s", job["id"]) == [(None,)]
    assert len(collector.named("POST /api/v1/jobs")) == before


def test_a_collector_that_takes_nothing_costs_no_job(stack: Stack, caller: Caller, app: App) -> None:
    before, caller.collector.status = lost(stack), 500
    try:
        assert app.finished(caller.submit("echo", {}))["state"] == "succeeded"
        wait_until(lambda: lost(stack) > before, limit_s=30)
    finally:
        caller.collector.status = 200
    again = Caller(app, caller.collector)
    app.finished(again.submit("echo", {}))
    again.one("infer echo")


def lost(stack: Stack) -> float:
    page = httpx.get(stack.info["metrics"], trust_env=False).raise_for_status().text
    rows = [line for line in page.splitlines() if line.startswith("inference_spans_dropped_total")]
    return sum(float(row.split()[-1]) for row in rows)
