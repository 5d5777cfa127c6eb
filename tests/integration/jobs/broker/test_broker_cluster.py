"""Three RabbitMQ nodes with TLS and quorum queues: a queue's leader is killed, and nothing is lost."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.conf import settings
from django.test import override_settings

from inference_site.stack.program import Program
from inference_site.stack.services import PROJECT
from inference_site.stack.specs import MODELS, make_plan, specs
from jobs.broker import broker_queues
from jobs.broker.connection import connected
from jobs.broker.job_message import outgoing
from jobs.broker.publisher import ConfirmingPublisher, Outcome
from jobs.broker.topology import WEBHOOKS, queue_name
from jobs.core.access.scopes import Scope
from jobs.core.errors import BrokerUnavailableError
from jobs.core.messages.envelope import Envelope
from jobs.core.states import State
from jobs.core.submission.request import parse_request
from jobs.models import Job, JobResult, Worker
from jobs.services.access.owner import Owner
from jobs.services.submission.submit import submit_job
from jobs.services.webhooks.secrets import make_secret
from tests.support.factories import make_client, make_version
from tests.support.rabbitmq_nodes import RabbitMQCluster
from tests.support.receiver import receiving
from tests.support.relays import drain, new_model
from tests.support.threads import in_thread
from tests.support.wait import wait_until

PAUSE_S = 30.0
BURST = 20
PROCESSES = ("relay", "gpu-worker-0", "cpu-worker")
BUILTIN = "models_registry.loaders.builtin:echo"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQCluster]:
    with RabbitMQCluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture(autouse=True)
def _in_production(cluster: RabbitMQCluster) -> Iterator[None]:
    files: dict[str, Any] = {"broker_ca_file": str(cluster.authority.ca_file), "broker_url": cluster.url}
    with override_settings(INFERENCE=replace(settings.INFERENCE, queue_type="quorum", **files)):
        yield
    for name in set(cluster.nodes) - cluster.running():
        cluster.restart(name)


def test_no_confirmed_message_is_lost_with_the_node_that_leads_its_queue(cluster: RabbitMQCluster) -> None:
    model, confirmed, ended = new_model(), list[str](), Event()
    with connected(cluster.url) as connection:
        broker_queues.declare(connection, [model])
    pauses = list[float]()

    def publish() -> None:
        publisher, confirmed_at = ConfirmingPublisher(cluster.url), time.monotonic()
        while not ended.is_set():
            messages = [outgoing(model, [Envelope(uuid4(), 0, 1, 0)]) for _ in range(BURST)]
            ended.wait(0.02)
            try:
                outcomes = publisher.publish(messages)
            except BrokerUnavailableError:
                continue
            good = [m for m, outcome in zip(messages, outcomes, strict=True) if outcome is Outcome.CONFIRMED]
            if good:
                confirmed.extend(str(message.message.properties["message_id"]) for message in good)
                pauses.append(time.monotonic() - confirmed_at)
                confirmed_at = time.monotonic()
        publisher.close()

    with in_thread(publish, ended):
        wait_until(lambda: len(confirmed) > 2 * BURST)
        leader = cluster.leader(queue_name(model))
        cluster.kill(leader)
        before = len(confirmed)
        wait_until(lambda: len(confirmed) > before + 20 * BURST, limit_s=PAUSE_S)
    assert cluster.leader(queue_name(model)) != leader
    assert set(confirmed) <= set(drain(cluster.url, model))
    assert max(pauses) < PAUSE_S


@contextmanager
def running(cluster: RabbitMQCluster, run_dir: Path) -> Iterator[list[Program]]:
    """Run the relay and both kinds of worker on the cluster."""
    plan = replace(make_plan(run_dir=run_dir, workers=1, login="admin:word"), gpus=0)
    env = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "inference_site.settings",
        "WEBHOOK_INTERNAL_HOSTS": "127.0.0.1",
        "QUEUE_TYPE": "quorum",
        "BROKER_URL": cluster.url,
        "BROKER_CA_FILE": str(cluster.authority.ca_file),
    }
    programs = list[Program]()
    with ExitStack() as ends:
        for spec in [spec for spec in specs(plan) if spec.name in PROCESSES]:
            argv = tuple("echo" if word == MODELS else word for word in spec.argv)
            program = Program(replace(spec, argv=argv), run_dir=run_dir, env=env, cwd=PROJECT)
            program.start()
            ends.callback(program.finish)
            ends.callback(program.ask_to_stop)
            programs.append(program)
        yield programs


@pytest.mark.usefixtures("db")
def test_each_job_is_answered_once_though_the_queues_leaders_are_killed(
    cluster: RabbitMQCluster, tmp_path: Path
) -> None:
    make_version("echo", artifact=BUILTIN)
    client = make_client()
    owner = Owner(client.id, client.name, 0, frozenset(Scope))
    make_secret(client=client.name, actor="test")

    def submit(count: int, **fields: Any) -> list[UUID]:
        body = json.dumps({"model": "echo", "input": {"n": 1}, **fields}).encode()
        return [submit_job(owner=owner, request=parse_request(body)).id for _ in range(count)]

    def unfinished() -> int:
        return Job.objects.exclude(state=State.SUCCEEDED).count()

    internal = replace(settings.INFERENCE, webhook_internal_hosts=("127.0.0.1",))
    with (
        override_settings(INFERENCE=internal),
        receiving() as receiver,
        running(cluster, tmp_path) as programs,
    ):
        wait_until(lambda: Worker.objects.filter(ended_at=None).exists())
        jobs = submit(200)
        wait_until(lambda: Job.objects.filter(state=State.SUCCEEDED).exists())
        leader = cluster.leader(queue_name("echo"))
        cluster.kill(leader)
        jobs += submit(200)
        wait_until(lambda: unfinished() == 0, limit_s=PAUSE_S)
        cluster.restart(leader)
        cluster.kill(cluster.leader(WEBHOOKS.name))
        jobs += submit(20, callback_url=receiver.url)
        wait_until(lambda: len(receiver.requests) >= 20, limit_s=2 * PAUSE_S)
        assert not [program.name for program in programs if program.child is None or program.child.ended()]
    assert JobResult.objects.count() == len(jobs)
    assert set(Job.objects.values_list("attempts", flat=True)) == {1}
