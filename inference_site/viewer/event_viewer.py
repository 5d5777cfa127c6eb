"""Flower's application with the pages that show events, and none that act, ask workers or read results."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

from celery import Celery
from flower.api.tasks import ListTasks, ListTaskTypes, TaskInfo
from flower.api.workers import ListWorkers
from flower.app import Flower, rewrite_handler
from flower.urls import settings as page_settings
from flower.views import BaseHandler
from flower.views.auth import LoginHandler, LogoutHandler
from flower.views.error import NotFoundErrorHandler
from flower.views.monitor import Healthcheck
from flower.views.tasks import TasksDataTable, TasksView
from flower.views.workers import WorkersView
from tornado.concurrent import Future
from tornado.ioloop import IOLoop
from tornado.web import Application, HTTPError, StaticFileHandler, authenticated, url

from inference_site.viewer.admin_links import CALLS
from inference_site.viewer.broker_view import BrokerQueuesView
from inference_site.viewer.event_reader import EventThread
from inference_site.viewer.job_view import JobView
from inference_site.viewer.management_api import ManagementApi
from inference_site.viewer.page_policy import PagePolicy
from inference_site.viewer.page_templates import PageTemplates
from jobs.broker.uncompressed import refuse_compressed

HEARTBEAT_S = 10
SCRIPTS = str(Path(__file__).parent / "static")
# What a worker's heartbeat says of it.
SHOWN = ("pid", "freq", "loadavg", "active", "processed", "clock", "sw_ident", "sw_ver", "sw_sys")


def viewing_app(broker_url: str) -> Celery:
    """Return a Celery application that knows the broker, and neither tasks, settings nor results."""
    refuse_compressed()
    app = Celery("viewer", broker=broker_url, backend=None)
    app.conf.update(accept_content=["json"], timezone="UTC", broker_heartbeat=HEARTBEAT_S)
    return app


class NotShown(BaseHandler):
    """A page that Flower links to and that this viewer has no right to fill."""

    @authenticated
    def get(self, *_: str) -> None:
        """Answer 404, with where to look instead."""
        raise HTTPError(404, "This viewer only sees events. Ask `celery inspect stats` as the operator.")


def handlers(api: ManagementApi) -> list[Any]:
    """Return the pages, all there are; that of the broker asks `api`."""
    return [url(r"/broker", BrokerQueuesView, {"api": api}, name="broker"), *HANDLERS]


HANDLERS: list[Any] = [
    url(r"/", WorkersView, name="main"),
    url(r"/workers", WorkersView, name="workers"),
    url(r"/worker/(.+)", NotShown, name="worker"),
    url(r"/task/(.+)", JobView, name="task"),
    url(r"/tasks", TasksView, name="tasks"),
    url(r"/tasks/datatable", TasksDataTable),
    (r"/api/workers", ListWorkers),
    (r"/api/tasks", ListTasks),
    (r"/api/task/types", ListTaskTypes),
    (r"/api/task/info/(.*)", TaskInfo),
    (r"/healthcheck", Healthcheck),
    url(r"/script/(.*)", StaticFileHandler, {"path": SCRIPTS}, name="script"),
    (r"/static/(.*)", StaticFileHandler, {"path": page_settings["static_path"]}),
    (r"/login/?", LoginHandler),
    url(r"/logout", LogoutHandler, name="logout"),
    (r".*", NotFoundErrorHandler),
]


class SeenWorkers:
    """Stands where Flower asks workers: what their heartbeats said."""

    inspect_methods: ClassVar[tuple[str, ...]] = ()

    def __init__(self, events: EventThread) -> None:
        """Read what `events` has seen."""
        self._events = events

    @property
    def workers(self) -> dict[str, dict[str, Any]]:
        """Return each worker by its name, with the time of its last heartbeat."""
        seen = self._events.state.workers
        return {name: _shown(worker) for name, worker in seen.items() if worker.heartbeats}


def _shown(worker: Any) -> dict[str, Any]:
    return {name: getattr(worker, name) for name in SHOWN} | {"timestamp": max(worker.heartbeats)}


class EventViewer(Flower):
    """Flower, with its own readers and a part of its pages."""

    def __init__(self, *, capp: Celery, options: Any, broker: ManagementApi, **settings: Any) -> None:
        """Prepare to serve; `settings` are Tornado's. Flower's own would register all of its pages."""
        pages, prefix = handlers(broker), options.url_prefix
        pages = [rewrite_handler(page, prefix) for page in pages] if prefix else pages
        settings |= {"template_loader": PageTemplates(), "ui_methods": CALLS}
        Application.__init__(self, handlers=pages, transforms=[PagePolicy], **settings)
        self.options, self.capp, self.started = options, capp, False
        self.io_loop, self.ssl_options = IOLoop.current(), settings.get("ssl_options")
        self.executor = ThreadPoolExecutor(max_workers=1)
        self.events = EventThread(
            capp,
            io_loop=self.io_loop,
            enable_events=False,
            max_workers_in_memory=options.max_workers,
            max_tasks_in_memory=options.max_tasks,
        )
        self.inspector = SeenWorkers(self.events)

    def update_workers(self, workername: str | None = None) -> Future[None]:  # noqa: ARG002  # Flower's
        """Send no question to workers, because their heartbeats come by themselves."""
        done = Future[None]()
        done.set_result(None)
        return done
