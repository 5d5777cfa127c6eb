"""A running RabbitMQ takes a certificate that was made anew, and keeps the connections that are open."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import amqp

from inference_site.stack.ports import LOOPBACK
from inference_site.stack.rabbitmq import USER, find_installation
from inference_site.stack.services import UNPACK_ROOT
from tests.support.certificates import Authority
from tests.support.rabbitmq_nodes import TlsNode

CLEAR = ("eval", "ssl:clear_pem_cache().")


def shown(node: TlsNode) -> str:
    """The certificate that a new connection is shown."""
    return ssl.get_server_certificate((LOOPBACK, node.tls_port))


def connected(node: TlsNode, authority: Authority) -> amqp.Connection:
    trust = {"ca_certs": str(authority.ca_file), "cert_reqs": ssl.CERT_REQUIRED, "server_hostname": LOOPBACK}
    where = f"{LOOPBACK}:{node.tls_port}"
    return amqp.Connection(where, userid=USER, password=node._password, ssl=trust)


def rabbitmqctl(node: TlsNode, *words: str) -> None:
    installation = find_installation(UNPACK_ROOT)
    program = str(installation.scripts / "rabbitmqctl")
    ran = subprocess.run(
        [program, *words],
        env=node._environment(installation), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_a_running_node_takes_a_new_certificate_and_keeps_its_connections(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    first = authority.issue("broker", LOOPBACK)
    old = first.cert.read_text()
    with (
        TlsNode(tmp_path / "node", authority=authority, certificate=first) as node,
        connected(node, authority) as before,
    ):
        assert shown(node) == old
        new = authority.issue("broker", LOOPBACK).cert.read_text()  # into the same files
        rabbitmqctl(node, *CLEAR)
        assert shown(node) == new != old
        with connected(node, authority) as after:
            after.channel().close()
        before.channel().close()
