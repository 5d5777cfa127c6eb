"""What the broker's tab asks for, and the sentence that stands there when it gets no answer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import pytest
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPServerRequest
from tornado.testing import bind_unused_port
from tornado.web import Application, RequestHandler

from inference_site.stack.ports import free_port
from inference_site.viewer.management_api import NAMES, ManagementApi, QueuePage, QueuesUnreadableError

BROKER = "amqp://monitor:a%40b@rabbit:5672//;amqp://monitor:c@other:5672//"
ANSWER = '{"items": [{"name": "infer.m", "messages_ready": 3, "node": "x"}], "filtered_count": 1, "page": 1}'


def test_it_asks_with_the_login_of_the_broker_and_never_with_another() -> None:
    api = ManagementApi.of("http://root:secret@rabbit:15672/", BROKER, "ca.pem")
    assert api == ManagementApi("http://rabbit:15672", "monitor", "a@b", "/", "ca.pem")
    assert "secret" not in repr(api)
    assert ManagementApi.of("", "amqp://u:p@rabbit/one%2Ftwo").vhost == "one/two"


def test_it_shows_the_queues_of_jobs_and_tasks_and_none_that_celery_makes_for_itself() -> None:
    names = ["infer.m", "infer.m.dead", "webhooks", "cpu", "celeryev.0f", "gpu-0@h.celery.pidbox", "mine"]
    assert [name for name in names if re.match(NAMES, name)] == names[:4]


def asked(status: int, body: str) -> tuple[QueuePage, HTTPServerRequest]:
    """Ask a server that answers so; return the queues, and what it was asked."""
    requests = list[HTTPServerRequest]()

    class Answer(RequestHandler):
        def get(self) -> None:
            requests.append(self.request)
            self.set_status(status)
            self.finish(body)

    async def ask() -> QueuePage:
        socket, port = bind_unused_port()
        server = HTTPServer(Application([(".*", Answer)]))
        server.add_socket(socket)
        try:
            return await ManagementApi.of(f"http://127.0.0.1:{port}", BROKER).queues()
        finally:
            server.stop()

    return asyncio.run(ask()), requests[0]


def trouble(asking: Coroutine[Any, Any, QueuePage]) -> str:
    with pytest.raises(QueuesUnreadableError) as caught:
        asyncio.run(asking)
    return str(caught.value)


def test_the_queues_come_with_the_figures_that_are_shown() -> None:
    page, request = asked(200, ANSWER)
    (queue,) = page.queues
    assert (queue["name"], queue["messages_ready"], queue["consumers"], page.total) == ("infer.m", 3, None, 1)
    assert "node" not in queue
    assert request.path == "/api/queues/%2F"
    assert request.headers["Authorization"].startswith("Basic ")


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (401, "", "give it the tag `management`"),
        (404, "", "check RABBITMQ_MANAGEMENT_URL"),
        (302, "", "check RABBITMQ_MANAGEMENT_URL"),
        (200, "<html>", "is not RabbitMQ's management API"),
        (200, "[]", "is not RabbitMQ's management API"),
    ],
)
def test_an_answer_that_holds_no_queues_is_one_sentence(status: int, body: str, words: str) -> None:
    with pytest.raises(QueuesUnreadableError, match=re.escape(words)) as caught, suppress(KeyError):
        asked(status, body)
    assert "a@b" not in str(caught.value)


def test_where_the_plugin_is_off_the_sentence_says_how_to_turn_it_on() -> None:
    text = trouble(ManagementApi.of(f"http://127.0.0.1:{free_port()}", BROKER).queues())
    assert "rabbitmq-plugins enable rabbitmq_management" in text


def test_where_its_address_is_not_known_the_sentence_names_the_setting() -> None:
    assert "set RABBITMQ_MANAGEMENT_URL" in trouble(ManagementApi.of("", BROKER).queues())
