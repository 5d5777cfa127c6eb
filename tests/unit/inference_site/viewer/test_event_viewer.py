"""The viewer's pages are a list of those that read events, and its reader drops what events carry."""

from __future__ import annotations

import asyncio
import re
from types import SimpleNamespace
from typing import Any

import flower.urls
import pytest
from celery.backends.base import DisabledBackend
from flower.options import default_options
from tornado.httpclient import AsyncHTTPClient, HTTPResponse
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application

from inference_site.viewer.event_viewer import EventViewer, NotShown, handlers, viewing_app
from inference_site.viewer.management_api import ManagementApi

AT = {"hostname": "gpu-0@h", "timestamp": 1.0, "local_received": 1.0, "clock": 1}
FORGED = {"type": "task-succeeded", "uuid": "u", **AT}
JOB, BATCH = "01a227e1-e5f7-7995-9a7d-67138fda56ce", "01a227e1-e622-7281-bac1-2f495179007e"
RAN = [
    {"type": "task-received", "uuid": JOB, "name": "infer.minilm", **AT},
    {"type": "task-started", "uuid": JOB, "batch": BATCH, **AT},
    {"type": "task-succeeded", "uuid": JOB, "runtime": 0.5, **AT},
]
READERS = {"TaskResult", "TaskApply", "GetQueueLengths", "BrokerView"}


def made() -> EventViewer:
    app = viewing_app("memory://")
    broker = ManagementApi.of("", "amqp://monitor:x@rabbit//")
    return EventViewer(capp=app, options=default_options, broker=broker, **flower.urls.settings)


def shown(*paths: str, events: list[dict[str, Any]] | None = None) -> list[HTTPResponse]:
    """Serve the viewer, which has seen these events, and ask for its pages."""

    async def ask() -> list[HTTPResponse]:
        viewer, (socket, port) = made(), bind_unused_port()
        for event in events or ():
            viewer.events.state.event(event)
        server = HTTPServer(viewer)
        server.add_socket(socket)
        try:
            client = AsyncHTTPClient()
            return [await client.fetch(f"http://127.0.0.1:{port}{path}", raise_error=False) for path in paths]
        finally:
            server.stop()

    return asyncio.run(ask())


def kinds(handlers: list[Any]) -> set[Any]:
    rules = Application(handlers).wildcard_router.rules
    return {rule.target for rule in rules if isinstance(rule.target, type)}


def test_no_page_acts_and_none_reads_results_or_asks_workers() -> None:
    acting = {
        kind for kind in kinds(flower.urls.handlers) if "post" in vars(kind) and "api" in kind.__module__
    }
    assert len(acting) > 10
    ours = kinds(handlers(ManagementApi.of("", "")))
    assert not ours & acting
    assert not [kind for kind in ours if kind.__name__ in READERS or "control" in kind.__module__]
    assert NotShown in ours


def test_its_application_knows_neither_results_nor_our_settings() -> None:
    app = viewing_app("memory://")
    assert isinstance(app.backend, DisabledBackend)
    assert (app.conf.task_queues, app.conf.beat_schedule, app.conf.task_routes) == (None, {}, None)
    assert app.conf.result_backend is None


def test_what_events_carry_is_dropped_and_what_is_no_event_too(monkeypatch: pytest.MonkeyPatch) -> None:
    viewer, seen = made(), list[dict[str, Any]]()
    viewer.events.io_loop = SimpleNamespace(add_callback=lambda call: call())
    monkeypatch.setattr(viewer.events, "state", SimpleNamespace(event=seen.append))
    contents = {"args": "('x',)", "kwargs": "{'secret': 1}", "result": "'x'", "traceback": "x"}
    viewer.events.on_event(FORGED | contents)
    assert seen == [FORGED]
    for broken in ({"type": "task-sent"}, {"hostname": "h"}, {"type": 1, "hostname": "h"}, {}):
        viewer.events.on_event(broken)
    assert seen == [FORGED]


def test_workers_are_those_whose_heartbeats_came() -> None:
    viewer = made()
    beat = {"type": "worker-heartbeat", "active": 2, "processed": 7, "freq": 2, "pid": 1}
    viewer.events.state.event(AT | beat)
    workers = viewer.workers
    assert (workers["gpu-0@h"]["active"], workers["gpu-0@h"]["processed"]) == (2, 7)
    assert workers["gpu-0@h"]["timestamp"] > 0
    assert viewer.update_workers("gpu-0@h").result() is None


def test_a_job_s_page_names_its_model_and_leads_to_the_admin() -> None:
    (page,) = shown(f"/task/{JOB}", events=RAN)
    text = page.body.decode()
    assert ">infer.minilm</a>" in text
    assert f'href="http://127.0.0.1:8000/admin/jobs/job/{JOB}/change/"' in text
    assert f'href="http://127.0.0.1:8000/admin/jobs/batch/{BATCH}/change/"' in text


def test_of_a_job_that_no_event_named_a_page_says_where_else_to_look() -> None:
    job, forged = shown(f"/task/{JOB}", "/task/%3Cb%3Ex")
    assert (job.code, forged.code) == (404, 404)
    assert f'href="http://127.0.0.1:8000/admin/jobs/job/{JOB}/change/"' in job.body.decode()
    assert "<b>x" not in forged.body.decode()
    assert "in the admin" not in forged.body.decode()


def test_the_list_s_script_makes_the_links_of_its_rows() -> None:
    page, script, other = shown("/tasks", "/script/job_links.js", "/script/other.js")
    jobs = 'data-jobs="http://127.0.0.1:8000/admin/jobs/job/" data-prefix="infer."'
    assert f'<script src="/script/job_links.js" {jobs}>' in page.body.decode()
    assert (script.code, other.code) == (200, 404)


def test_the_broker_s_tab_is_a_sentence_where_its_address_is_not_known() -> None:
    (page,) = shown("/broker")
    assert (page.code, "set RABBITMQ_MANAGEMENT_URL" in page.body.decode()) == (200, True)


def test_no_page_has_a_script_in_it_and_every_answer_has_a_policy() -> None:
    for page in shown("/", "/tasks", f"/task/{JOB}", "/broker", "/nowhere", "/worker/x", events=RAN):
        policy = page.headers["Content-Security-Policy"]
        assert ("script-src 'self';" in policy, "frame-ancestors 'none'" in policy) == (True, True)
        bodies = re.findall(r"<script\b[^>]*>(.*?)</script>", page.body.decode(), re.DOTALL)
        assert not [body for body in bodies if body.strip()]
        assert not re.search(r"\son[a-z]+=", page.body.decode())
