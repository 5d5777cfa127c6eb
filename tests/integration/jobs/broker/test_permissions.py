"""The rights that compose/ gives the broker's users, on a real broker: each does its work and no more."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Event, Thread
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import UUID, uuid4

import httpx
import kombu
import pytest
from amqp.basic_message import Message
from amqp.exceptions import AccessRefused, PreconditionFailed
from celery import Celery
from celery.beat import Scheduler
from django.conf import settings
from django.test import override_settings

from inference_site.viewer.event_reader import BoundReceiver
from inference_site.viewer.management_api import ManagementApi
from jobs.broker import broker_queues
from jobs.broker.connection import connected
from jobs.broker.dead_letter_message import outgoing_dead_letter
from jobs.broker.job_message import outgoing
from jobs.broker.publisher import ConfirmingPublisher, Outcome
from jobs.broker.topology import TASK_QUEUES, dead_queue_name, gpu_node, queue_name
from jobs.broker.webhook_task import WebhookAttempt, WebhookTasks
from jobs.core.messages.dead_letter_pointer import DeadLetterMessage
from jobs.core.messages.envelope import Envelope
from jobs.services.dead_letters.purge import purge_stale
from tests.support.broker_logins import production_logins
from tests.support.wait import wait_until

Logins = dict[str, str]
MODEL = "m"
JOB = UUID(int=7)
RETENTION = "jobs.keep_retention"
# Spelled here once more: what is written by hand is compared with what the topology generates.
QUEUES = {
    "infer.m": "infer",
    "infer.m.dead": "infer.dlx",
    "webhooks": "tasks.webhooks",
    "cpu": "tasks.cpu",
    "celeryev.0f3a": "celeryev",
    "gpu-1@host.celery.pidbox": "celery.pidbox",
    "cpu@host.celery.pidbox": "celery.pidbox",
    "0f-3a.reply.celery.pidbox": "reply.celery.pidbox",
}
EXCHANGES = {
    "infer": "direct", "infer.dlx": "direct", "tasks.webhooks": "direct", "tasks.cpu": "direct",
    "celeryev": "topic", "celery.pidbox": "fanout", "reply.celery.pidbox": "direct",
}  # fmt: skip
# To declare a queue with a dead-letter exchange takes the right to read the one and to write to the other.
MAY: dict[str, dict[str, set[str]]] = {
    "relay": {
        "declare": {"infer.m", "infer.m.dead", "webhooks"},
        "publish": {"infer", "infer.dlx", "tasks.webhooks"},
        "consume": {"infer.m"},
    },
    "worker": {
        "declare": {"infer.m", "infer.m.dead", "gpu-1@host.celery.pidbox"},
        "publish": {"infer.dlx", "celeryev", "reply.celery.pidbox"},
        "consume": {"infer.m", "gpu-1@host.celery.pidbox"},
    },
    "cpu-worker": {
        "declare": {"webhooks", "cpu", "cpu@host.celery.pidbox"},
        "publish": {"celeryev", "reply.celery.pidbox"},
        "consume": {"webhooks", "cpu", "cpu@host.celery.pidbox", "infer.m.dead"},
    },
    "beat": {"declare": {"cpu"}, "publish": {"tasks.cpu"}, "consume": set()},
    "monitor": {"declare": {"celeryev.0f3a"}, "publish": set(), "consume": {"celeryev.0f3a"}},
    "operator": {
        "declare": {"infer.m", "infer.m.dead", "0f-3a.reply.celery.pidbox"},
        "publish": {"infer.dlx", "celery.pidbox"},
        "consume": {"infer.m", "infer.m.dead", "0f-3a.reply.celery.pidbox"},
    },
}


@pytest.fixture(scope="module")
def logins(services: Logins, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Logins]:
    with production_logins(tmp_path_factory.mktemp("compose")) as logins:
        yield logins


@pytest.fixture(scope="module")
def _topology(logins: Logins) -> None:
    """Everything there is, made by a user who may do anything; Celery's own too, but to last."""
    with connected(logins["admin"]) as connection, connection.channel() as channel:
        for name, kind in EXCHANGES.items():
            lasting = name not in {"celery.pidbox", "reply.celery.pidbox"}
            channel.exchange_declare(name, kind, durable=lasting, auto_delete=False)
        broker_queues.declare(connection, [MODEL])
        for name in QUEUES:
            if not name.startswith("infer."):
                channel.queue_declare(name, durable=True, auto_delete=False)


def declare(channel: Any, queue: str) -> None:
    spec = queue.startswith("infer.") and broker_queues.model_queue(MODEL)
    arguments = spec.queue_arguments if spec and spec.name == queue else {}
    channel.queue_declare(queue, durable=True, auto_delete=False, arguments=arguments)
    channel.queue_bind(queue, QUEUES[queue], queue)


def publish(channel: Any, exchange: str, key: str = "task.started") -> None:
    channel.basic_publish(Message("{}"), exchange=exchange, routing_key=key)
    channel.basic_qos(0, 1, False)  # a refused publish closes the channel before this is answered


def consume(channel: Any, queue: str) -> None:
    channel.basic_get(queue)


VERBS: dict[str, tuple[Callable[[Any, str], None], list[str]]] = {
    "declare": (declare, [*QUEUES]),
    "publish": (publish, [*EXCHANGES, ""]),
    "consume": (consume, [*QUEUES]),
}


def is_allowed(connection: kombu.Connection, act: Callable[[Any, str], None], name: str) -> bool:
    channel = connection.channel()
    try:
        act(channel, name)
    except AccessRefused:
        return False
    channel.close()
    return True


@pytest.mark.usefixtures("_topology")
@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("user", MAY)
def test_a_user_does_what_its_process_does_and_is_refused_anything_else(
    logins: Logins, user: str, verb: str
) -> None:
    act, names = VERBS[verb]
    with kombu.Connection(logins[user]) as connection:
        assert {name for name in names if is_allowed(connection, act, name)} == MAY[user][verb]


@pytest.mark.usefixtures("_topology")
@pytest.mark.parametrize("user", MAY)
def test_nobody_makes_a_queue_that_the_topology_does_not_name(logins: Logins, user: str) -> None:
    with kombu.Connection(logins[user]) as connection:
        for name in ("mine", "webhooks2", "cpu.2", "celery", "inference.m", "gpu-1@host", "a.celery.pidbox"):
            assert not is_allowed(connection, lambda channel, name: channel.queue_declare(name), name), name


# What an intruder with a user's password would try next, and the only users who may do it: their own
# processes make these queues, and who may make one may also delete and empty it.
DECLARERS = {
    "infer.m": {"relay", "worker", "operator"},
    "infer.m.dead": {"relay", "worker", "operator"},
    "webhooks": {"relay", "cpu-worker"},
    "cpu": {"beat", "cpu-worker"},
    "celeryev.0f3a": {"monitor"},
    "gpu-1@host.celery.pidbox": {"worker"},
    "cpu@host.celery.pidbox": {"cpu-worker"},
    "0f-3a.reply.celery.pidbox": {"operator"},
}
EMPTIERS = {queue: {user for user in MAY if queue in MAY[user]["consume"]} for queue in QUEUES}
MAKERS = {
    "infer": {"relay", "worker", "operator"},
    "infer.dlx": {"relay", "worker", "operator"},
    "tasks.webhooks": {"relay", "cpu-worker"},
    "tasks.cpu": {"beat", "cpu-worker"},
    "celeryev": {"worker", "cpu-worker"},
    "celery.pidbox": {"worker", "cpu-worker", "operator"},
    "reply.celery.pidbox": {"worker", "cpu-worker", "operator"},
}
EVENT_KEYS = ("task.started", "worker.heartbeat", "task.multi", "control.shutdown", "nowhere", "task.a.b", "")


def holders(logins: Logins, act: Callable[[Any, str], None], name: str) -> set[str]:
    users = set()
    for user in MAY:
        with kombu.Connection(logins[user]) as connection:
            users |= {user} if is_allowed(connection, act, name) else set()
    return users


def delete_if_used(channel: Any, queue: str) -> None:
    """Ask for a deletion that the broker allows or refuses, and then does not carry out."""
    try:
        channel.queue_delete(queue, if_empty=True)
    except PreconditionFailed:
        channel.open()


def delete_unused(channel: Any, exchange: str) -> None:
    try:
        channel.exchange_delete(exchange, if_unused=True)
    except PreconditionFailed:
        channel.open()


@pytest.mark.usefixtures("_topology")
def test_who_makes_a_queue_may_delete_it_and_who_reads_it_may_purge_it_and_nobody_else(
    logins: Logins,
) -> None:
    with connected(logins["admin"]) as connection, connection.channel() as channel:
        for queue in QUEUES:
            channel.basic_publish(Message("{}"), exchange="", routing_key=queue)
    assert {queue: holders(logins, delete_if_used, queue) for queue in QUEUES} == DECLARERS
    purge = lambda channel, queue: channel.queue_purge(queue)  # noqa: E731
    assert {queue: holders(logins, purge, queue) for queue in QUEUES} == EMPTIERS


@pytest.mark.usefixtures("_topology")
def test_only_who_makes_an_exchange_may_delete_it_and_the_monitor_makes_none(logins: Logins) -> None:
    with connected(logins["admin"]) as connection, connection.channel() as channel:
        channel.queue_declare("keeps-exchanges", durable=True, auto_delete=False)
        for exchange in EXCHANGES:  # an exchange in use is not deleted, but the right is asked for first
            channel.queue_bind("keeps-exchanges", exchange, "kept")
    assert {name: holders(logins, delete_unused, name) for name in EXCHANGES} == MAKERS
    assert not [name for name, users in MAKERS.items() if "monitor" in users]


@pytest.mark.usefixtures("_topology")
@pytest.mark.parametrize("user", MAY)
def test_a_topic_takes_the_keys_of_events_from_workers_and_nothing_from_others(
    logins: Logins, user: str
) -> None:
    with kombu.Connection(logins[user]) as connection:
        taken = [
            key for key in EVENT_KEYS
            if is_allowed(connection, lambda channel, key: publish(channel, "celeryev", key), key)
        ]  # fmt: skip
    assert taken == (list(EVENT_KEYS[:3]) if user in {"worker", "cpu-worker"} else [])


@pytest.mark.usefixtures("_topology")
def test_the_monitor_binds_its_queue_to_events_alone(logins: Logins) -> None:
    with connected(logins["admin"]) as connection, connection.channel() as channel:
        channel.queue_declare("celeryev.ab", durable=True, auto_delete=False)
    with kombu.Connection(logins["monitor"]) as connection:
        bind = lambda channel, exchange: channel.queue_bind("celeryev.ab", exchange, "#")  # noqa: E731
        assert [name for name in EXCHANGES if is_allowed(connection, bind, name)] == ["celeryev"]
        into = lambda channel, queue: channel.queue_bind(queue, "celeryev", "#")  # noqa: E731
        assert [name for name in QUEUES if is_allowed(connection, into, name)] == ["celeryev.0f3a"]
        through = {"x-dead-letter-exchange": "infer", "x-message-ttl": 0}
        dead = lambda channel, name: channel.queue_declare(name, arguments=through)  # noqa: E731
        assert not is_allowed(connection, dead, "celeryev.cd")


@contextmanager
def over_http(logins: Logins, user: str) -> Iterator[httpx.Client]:
    """Ask RabbitMQ's management API as one user."""
    parts = urlsplit(logins[user])
    base = urlsplit(os.environ["RABBITMQ_MANAGEMENT_URL"])
    login = (unquote(parts.username or ""), unquote(parts.password or ""))
    url = f"http://{base.hostname}:{base.port}/api"
    # RabbitMQ ends a connection whose body it refuses to read.
    once = httpx.Limits(max_keepalive_connections=0)
    with httpx.Client(base_url=url, auth=login, timeout=20, trust_env=False, limits=once) as client:
        yield client


@pytest.mark.parametrize("user", sorted(MAY.keys() - {"monitor"}))
def test_no_user_of_a_process_sees_the_broker_s_own_pages(logins: Logins, user: str) -> None:
    with over_http(logins, user) as client:
        for path in ("/connections", "/queues", "/whoami"):
            assert client.get(path).status_code == httpx.codes.UNAUTHORIZED, path


@pytest.mark.usefixtures("_topology")
def test_the_monitor_reads_the_sizes_of_queues_as_flower_does(logins: Logins) -> None:
    url = os.environ["RABBITMQ_MANAGEMENT_URL"]  # with another login, which is not used
    page = asyncio.run(ManagementApi.of(url, logins["monitor"]).queues())
    names = {queue["name"] for queue in page.queues}
    assert names >= {"infer.m", "infer.m.dead", "webhooks", "cpu"}
    assert not [name for name in names if "pidbox" in name or "celeryev" in name]


# As the tag `management` alone allows: nothing of other users, nodes, definitions or secrets in parameters.
HIDDEN_PAGES = (
    "/users", "/permissions", "/topic-permissions", "/definitions", "/definitions/VHOST", "/nodes",
    "/parameters", "/global-parameters", "/users/worker", "/users/worker/permissions",
)  # fmt: skip
ACTS: tuple[tuple[str, str, Any], ...] = (
    ("DELETE", "/queues/VHOST/infer.m", None),
    ("DELETE", "/queues/VHOST/infer.m/contents", None),
    ("PUT", "/queues/VHOST/mine", {"durable": True}),
    ("POST", "/queues/VHOST/infer.m/get", {"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"}),
    ("POST", "/queues/VHOST/infer.m/actions", {"action": "sync"}),
    ("POST", "/exchanges/VHOST/infer/publish",
     {"routing_key": "m", "payload": "x", "payload_encoding": "string", "properties": {}}),
    ("DELETE", "/exchanges/VHOST/infer", None),
    ("PUT", "/exchanges/VHOST/mine", {"type": "direct"}),
    ("POST", "/bindings/VHOST/e/infer/q/celeryev.0f3a", {"routing_key": "m"}),
    ("PUT", "/policies/VHOST/all", {"pattern": ".*", "definition": {"message-ttl": 1}}),
    ("PUT", "/users/monitor", {"password": "x", "tags": "administrator"}),
    ("PUT", "/users/other", {"password": "x", "tags": ""}),
    ("PUT", "/permissions/VHOST/monitor", {"configure": ".*", "write": ".*", "read": ".*"}),
    ("PUT", "/vhosts/other", {}),
    ("DELETE", "/vhosts/VHOST", None),
    ("POST", "/definitions", {"users": []}),
    ("PUT", "/cluster-name", {"name": "mine"}),
    ("PUT", "/cluster-name", {"name": "mine"}),
    ("PUT", "/parameters/shovel/VHOST/s", {"value": {}}),
)  # fmt: skip
REFUSALS = {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN, httpx.codes.BAD_REQUEST}


def refused(answer: httpx.Response) -> bool:
    """Return whether the broker refused; RabbitMQ 3.10 says 400 where the same act over AMQP is refused."""
    word = "not_authorised" in answer.text or "ACCESS_REFUSED" in answer.text
    return answer.status_code in REFUSALS and word


@pytest.mark.usefixtures("_topology")
def test_the_monitor_sees_nothing_else_over_http_and_changes_nothing(logins: Logins) -> None:
    vhost = logins["monitor"].rpartition("/")[2]
    with over_http(logins, "monitor") as client:
        assert client.get("/whoami").json()["tags"] == ["management"]
        shown = [page for page in HIDDEN_PAGES if not refused(client.get(page.replace("VHOST", vhost)))]
        done = [
            (method, path) for method, path, body in ACTS
            if not refused(client.request(method, path.replace("VHOST", vhost), json=body))
        ]  # fmt: skip
        assert (shown, done) == ([], [])
        # The same name has the same rights in the virtual host of this run's own servers, and in no third.
        assert {queue["vhost"] for queue in client.get("/queues").json()} - {"/"} == {vhost}


@pytest.mark.usefixtures("_topology")
def test_of_connections_the_monitor_sees_its_own(logins: Logins) -> None:
    with (
        connected(logins["admin"]),
        connected(logins["monitor"]),
        over_http(logins, "monitor") as client,
    ):
        users = lambda: {row.get("user") for row in client.get("/connections").json()}  # noqa: E731
        assert wait_until(users, limit_s=20) == {"monitor"}


def as_user(url: str) -> Celery:
    """Return the project's Celery application, logged in as one user."""
    app = Celery(uuid4().hex, set_as_current=False)
    app.config_from_object("inference_site.celeryconfig")
    app.conf.broker_url = url
    return app


@contextmanager
def meanwhile(work: Callable[[], object]) -> Iterator[None]:
    thread = Thread(target=work, daemon=True)
    thread.start()
    yield
    thread.join(10)
    assert not thread.is_alive()


def received(app: Celery, queues: list[kombu.Queue], count: int) -> list[Any]:
    """Declare and consume the queues as a Celery worker does; return `count` messages, acknowledged."""
    messages: list[Any] = []
    with app.connection_for_read() as connection:
        consumer = app.amqp.TaskConsumer(connection, queues=queues, on_message=messages.append)
        with consumer:
            while len(messages) < count:
                connection.drain_events(timeout=10)
        for message in messages:
            message.ack()
    return messages


def test_the_relay_s_jobs_reach_a_worker_and_its_dead_letters_an_operator(logins: Logins) -> None:
    with connected(logins["relay"]) as connection:
        broker_queues.declare(connection, [MODEL])
    publisher = ConfirmingPublisher(logins["relay"])
    letter = outgoing_dead_letter(MODEL, DeadLetterMessage(JOB, 1, "invalid", "bad", "f"))
    job = outgoing(MODEL, [Envelope(JOB, 0, 1, 4)])
    assert publisher.publish([job, letter]) == [Outcome.CONFIRMED] * 2
    publisher.close()
    worker = as_user(logins["worker"])
    with connected(logins["worker"]) as connection:
        broker_queues.declare(connection, [MODEL])
    (message,) = received(worker, [broker_queues.model_queue(MODEL)], 1)
    assert message.headers["id"] == str(JOB)
    with connected(logins["operator"]) as connection:
        counts = broker_queues.dead_counts(connection, MODEL)
        assert counts is not None
        assert counts.ready
        assert connection.channel().basic_get(dead_queue_name(MODEL))


def test_a_message_that_a_worker_rejects_goes_to_the_dead_letter_queue(logins: Logins) -> None:
    with connected(logins["relay"]) as connection:
        broker_queues.declare(connection, ["rejects"])
    publisher = ConfirmingPublisher(logins["relay"])
    publisher.publish([outgoing("rejects", [Envelope(JOB, 0, 1, 4)])])
    publisher.close()
    with connected(logins["worker"]) as connection, connection.channel() as channel:
        message = channel.basic_get(queue_name("rejects"))
        channel.basic_reject(message.delivery_tag, requeue=False)
        wait_until(lambda: (counts := broker_queues.dead_counts(connection, "rejects")) and counts.ready)


def test_the_cpu_worker_may_drop_what_is_stale_among_dead_letters(db: str, logins: Logins) -> None:
    with connected(logins["relay"]) as connection:
        broker_queues.declare(connection, ["purged"])
    publisher = ConfirmingPublisher(logins["relay"])
    letter = outgoing_dead_letter("purged", DeadLetterMessage(JOB, 1, "poison", "test", "f"))
    assert publisher.publish([letter]) == [Outcome.CONFIRMED]
    publisher.close()
    with override_settings(INFERENCE=replace(settings.INFERENCE, broker_url=logins["cpu-worker"])):
        assert purge_stale(model="purged", actor="beat").dropped == 1


def test_webhooks_and_beat_s_tasks_reach_the_cpu_worker(logins: Logins) -> None:
    queues = [broker_queues.task_queue(queue) for queue in TASK_QUEUES]
    with override_settings(INFERENCE=replace(settings.INFERENCE, broker_url=logins["relay"])):
        tasks = WebhookTasks()
        assert len(tasks.send([WebhookAttempt(JOB, 3)])) == 1
        tasks.close()
    scheduler = Scheduler(app=as_user(logins["beat"]), lazy=True)
    scheduler.apply_async(scheduler.Entry("retention", RETENTION, schedule=3_600, app=scheduler.app))
    names = {message.headers["task"] for message in received(as_user(logins["cpu-worker"]), queues, 2)}
    assert names == {"jobs.deliver_webhook", RETENTION}


def test_a_worker_s_events_reach_flower(logins: Logins) -> None:
    monitor, worker, came = as_user(logins["monitor"]), as_user(logins["worker"]), Event()
    with monitor.connection_for_read() as reading:
        receiver = BoundReceiver(reading, {"task-started": lambda _event: came.set()}, app=monitor)
        reads = meanwhile(lambda: list(receiver.itercapture(limit=1, timeout=10, wakeup=False)))
        with reads, worker.connection_for_write() as writing:
            sender = worker.events.Dispatcher(writing, hostname=gpu_node(0, "host"))
            wait_until(lambda: sender.send("task-started", uuid=str(JOB)) or came.wait(0.05))


@pytest.mark.parametrize(("worker", "node"), [("worker", gpu_node(0, "h")), ("cpu-worker", "cpu@h")])
def test_a_question_of_the_operator_is_answered(logins: Logins, worker: str, node: str) -> None:
    calling, working, answered = as_user(logins["operator"]), as_user(logins[worker]), Event()
    with working.connection_for_read() as connection:
        mailbox = working.control.mailbox(connection)
        heard = mailbox.Node(node, channel=connection.channel())
        heard.handler(_ping)
        heard.listen()

        def answer() -> None:
            while not answered.is_set():
                try:
                    connection.drain_events(timeout=0.1)
                except TimeoutError:
                    continue

        with meanwhile(answer):
            replies = calling.control.broadcast("_ping", reply=True, timeout=10, limit=1)
            answered.set()
    assert replies == [{node: {"ok": "pong"}}]


def _ping(_state: Any) -> dict[str, str]:
    return {"ok": "pong"}
