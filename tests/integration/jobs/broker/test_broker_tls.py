"""TLS to the broker, on a real one: what is trusted, what is refused and how, and the road to other nodes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import kombu
import pytest
from celery import Celery
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import override_settings
from kombu.asynchronous.hub import Hub

from inference_site.stack.ports import LOOPBACK, free_port
from inference_site.stack.services import PROJECT
from inference_site.stack.specs import manage, python
from jobs.broker import broker_queues
from jobs.broker.connection import connect, connected
from jobs.broker.job_message import outgoing
from jobs.broker.publisher import ConfirmingPublisher, Outcome
from jobs.broker.topology import queue_name
from jobs.core.errors import BrokerTlsError, BrokerUnavailableError
from jobs.core.messages.envelope import Envelope
from jobs.worker.consuming.patches import read_in_bursts
from tests.support.certificates import Authority
from tests.support.rabbitmq_nodes import TlsNode
from tests.support.relays import new_model
from tests.support.wait import wait_until

NOBODY = "amqp://nobody:nothing@127.0.0.1:1//"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def node(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsNode]:
    """A broker whose certificate is for `localhost` alone, and not for its address."""
    certificate = authority.issue("broker", "localhost")
    with TlsNode(tmp_path_factory.mktemp("node"), authority=authority, certificate=certificate) as node:
        yield node


@pytest.fixture
def url(node: TlsNode) -> str:
    return node.tls_url_of("localhost")


@pytest.fixture
def _trusting(authority: Authority) -> Iterator[None]:
    with trusting(broker_ca_file=str(authority.ca_file)):
        yield


def trusting(**files: Any) -> Any:
    return override_settings(INFERENCE=replace(settings.INFERENCE, **files))


@pytest.mark.usefixtures("_trusting")
def test_jobs_are_published_and_the_topology_declared_over_tls(url: str) -> None:
    model = new_model()
    with connected(url) as connection:
        broker_queues.declare(connection, [model])
    publisher = ConfirmingPublisher(url)
    messages = [outgoing(model, [Envelope(uuid4(), 0, 1, 0)]) for _ in range(1_000)]
    assert publisher.publish(messages) == [Outcome.CONFIRMED] * 1_000
    publisher.close()


@pytest.mark.usefixtures("_trusting")
def test_a_certificate_for_another_host_is_refused_and_named(node: TlsNode) -> None:
    with pytest.raises(BrokerTlsError, match=r"CN=broker.*localhost.*not valid for '127.0.0.1'.*BROKER_URL"):
        connect(node.tls_url_of(LOOPBACK))


def test_a_ca_that_nobody_named_is_refused(url: str) -> None:
    with pytest.raises(BrokerTlsError, match=r"CN=broker, issued by CN=Test CA.*self-signed.*BROKER_CA_FILE"):
        connect(url)


def test_a_file_that_cannot_be_read_is_named(url: str) -> None:
    unreadable = trusting(broker_ca_file="/nowhere/ca.pem")
    with unreadable, pytest.raises(BrokerTlsError, match="BROKER_CA_FILE cannot be read"):
        connect(url)


@pytest.mark.usefixtures("_trusting")
def test_a_port_without_tls_is_refused(node: TlsNode) -> None:
    assert node.ports is not None
    with pytest.raises(BrokerTlsError, match=rf"no TLS with the broker at localhost:{node.ports.amqp}"):
        connect(node.tls_url_of("localhost").replace(str(node.tls_port), str(node.ports.amqp)))


@pytest.mark.usefixtures("_trusting")
def test_a_node_that_is_away_or_not_trusted_is_passed_over(node: TlsNode, url: str) -> None:
    for others in (NOBODY, node.tls_url_of(LOOPBACK), f"{NOBODY};{node.tls_url_of(LOOPBACK)}"):
        with connected(f"{others};{url}") as connection:
            assert connection.hostname == "localhost"


def test_where_no_node_answers_each_is_named_with_its_reason() -> None:
    other = NOBODY.replace("1//", f"{free_port()}//")
    with pytest.raises(BrokerUnavailableError, match=r"refused.*; .*refused") as caught:
        connect(f"{NOBODY};{other}")
    assert caught.type is BrokerUnavailableError


@pytest.mark.usefixtures("_trusting")
def test_celery_s_failover_checks_the_name_of_the_node_in_use(node: TlsNode, url: str) -> None:
    # The first node's name is good in the certificate and the second's is not, and the other way about.
    dead = f"amqps://a:b@localhost:{free_port()}//"
    app = Celery(set_as_current=False)
    app.config_from_object("inference_site.celeryconfig")
    app.conf.broker_url = f"{dead.replace('localhost', '127.0.0.1')};{url}"
    connection = app.connection_for_write()
    connection.ensure_connection(max_retries=3, interval_start=0, timeout=20)
    assert connection.connected
    assert connection.clone().ssl is not False
    connection.release()
    app.conf.broker_url = f"{dead};{node.tls_url_of(LOOPBACK)}"
    connection = app.connection_for_write()
    with pytest.raises(kombu.exceptions.OperationalError, match=r"not trusted|refused"):
        connection.ensure_connection(max_retries=3, interval_start=0, interval_max=0, timeout=20)


@pytest.mark.usefixtures("_trusting")
def test_frames_over_tls_are_read_in_bursts_and_none_stays_behind(url: str) -> None:
    model = new_model()
    with connected(url) as connection:
        broker_queues.declare(connection, [model])
    publisher = ConfirmingPublisher(url)
    count = 5_000
    publisher.publish([outgoing(model, [Envelope(uuid4(), 0, 1, 0)]) for _ in range(count)])
    publisher.close()
    received: list[Any] = []
    hub = Hub()
    with kombu.Connection(url) as connection:
        connection.connect()
        connection.register_with_event_loop(hub)
        ahead = read_in_bursts(connection.connection, hub)
        assert ahead is not None
        channel = connection.channel()
        channel.basic_qos(0, count, False)
        channel.basic_consume(queue_name(model), callback=received.append, no_ack=True)
        loop = hub.create_loop()
        hub.timer.call_repeatedly(0.05, lambda: None)
        wait_until(lambda: next(loop) or len(received) == count, every_s=0)
        hub.close()


class TestStart:
    """No process starts with a broker that it cannot trust."""

    COMMANDS = {
        "relay": manage("relay"),
        "worker": python("celery", "-A", "inference_site", "worker", "--pool", "threads", "-Q", "cpu"),
        "beat": python("celery", "-A", "inference_site", "beat", "--schedule", os.devnull, "--pidfile", ""),
        "flower": python("inference_site.viewer.serve_events", f"--port={free_port()}"),
    }

    @pytest.mark.parametrize("name", COMMANDS)
    def test_a_process_ends_and_names_the_certificate(self, name: str, url: str) -> None:
        ended = subprocess.run(
            self.COMMANDS[name], env={**os.environ, "BROKER_URL": url, "FLOWER_BASIC_AUTH": "a:b"},
            cwd=PROJECT, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert ended.returncode != 0
        assert "(CN=broker, issued by CN=Test CA, for localhost" in ended.stderr + ended.stdout

    @pytest.mark.usefixtures("db")
    def test_declare_topology_ends_too(self, url: str) -> None:
        with trusting(broker_url=url), pytest.raises(CommandError, match="CN=broker"):
            call_command("declare_topology")


def test_an_expired_certificate_is_refused_and_one_of_our_own_is_shown(
    authority: Authority, tmp_path: Path
) -> None:
    expired = authority.issue("old", "localhost", days=-1)
    with (
        trusting(broker_ca_file=str(authority.ca_file)),
        TlsNode(tmp_path / "old", authority=authority, certificate=expired) as node,
        pytest.raises(BrokerTlsError, match=r"CN=old.*expired"),
    ):
        connect(node.tls_url_of("localhost"))


def test_a_broker_that_asks_for_a_certificate_gets_ours(authority: Authority, tmp_path: Path) -> None:
    ca, ours = str(authority.ca_file), authority.issue("relay", "relay")
    theirs = authority.issue("asking", "localhost")
    foreign = Authority(tmp_path / "foreign", "Other CA").issue("stranger", "relay")
    with TlsNode(tmp_path, authority=authority, certificate=theirs, asks_certificate=True) as node:
        url = node.tls_url_of("localhost")
        with trusting(broker_ca_file=ca, broker_cert_file=str(ours.cert), broker_key_file=str(ours.key)):
            connect(url).collect()
        with (
            trusting(broker_ca_file=ca, broker_cert_file=str(foreign.cert), broker_key_file=str(foreign.key)),
            pytest.raises(BrokerTlsError, match=r"refuses the certificate in BROKER_CERT_FILE .*stranger"),
        ):
            connect(url)
        with trusting(broker_ca_file=ca), pytest.raises(BrokerTlsError, match="not set"):
            connect(url)
