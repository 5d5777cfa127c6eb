"""The viewer's pages are a list of those that read events, and its reader drops what events carry."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import flower.urls
import pytest
from celery.backends.base import DisabledBackend
from flower.options import default_options
from tornado.web import Application

from inference_site.viewer.event_viewer import HANDLERS, EventViewer, NotShown, viewing_app

AT = {"hostname": "gpu-0@h", "timestamp": 1.0, "local_received": 1.0, "clock": 1}
FORGED = {"type": "task-succeeded", "uuid": "u", **AT}
READERS = {"TaskResult", "TaskApply", "GetQueueLengths", "BrokerView"}


def made() -> EventViewer:
    return EventViewer(capp=viewing_app("memory://"), options=default_options, **flower.urls.settings)


def kinds(handlers: list[Any]) -> set[Any]:
    rules = Application(handlers).wildcard_router.rules
    return {rule.target for rule in rules if isinstance(rule.target, type)}


def test_no_page_acts_and_none_reads_results_or_asks_workers() -> None:
    acting = {
        kind for kind in kinds(flower.urls.handlers) if "post" in vars(kind) and "api" in kind.__module__
    }
    assert len(acting) > 10
    ours = kinds(HANDLERS)
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
