"""RabbitMQ nodes of a test's own, with TLS: one alone, or a cluster on loopback whose nodes can be killed."""

from __future__ import annotations

import signal
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from inference_site.stack.leash import Child, Command
from inference_site.stack.ports import LOOPBACK, free_port, free_ports
from inference_site.stack.private_files import write_private
from inference_site.stack.rabbitmq import USER, Installation, Ports, RabbitMQ, find_installation
from inference_site.stack.served import stop_together
from inference_site.stack.services import UNPACK_ROOT
from tests.support.certificates import Authority, Certificate
from tests.support.wait import wait_until

PASSWORD, COOKIE = "of-a-test", "ofatest"


class TlsNode(RabbitMQ):
    """A node that also speaks TLS; with `members` it forms a cluster with the nodes of these names."""

    def __init__(
        self,
        run_dir: Path,
        *,
        authority: Authority,
        certificate: Certificate,
        node: str = "inference",
        members: Sequence[str] = (),
        asks_certificate: bool = False,
    ) -> None:
        """Prepare to serve from `run_dir`; with `asks_certificate` a client must show one of the CA's."""
        super().__init__(run_dir, unpack_root=UNPACK_ROOT, durable=False)
        self.node, self.tls_port = node, free_port()
        self._authority, self._certificate, self._members = authority, certificate, members
        self._asks = asks_certificate

    @property
    def tls_url(self) -> str:
        """Return the broker's URL over TLS."""
        return self.tls_url_of(LOOPBACK)

    def tls_url_of(self, host: str) -> str:
        """Return the broker's URL over TLS, with another name of this host."""
        return f"amqps://{USER}:{self._password}@{host}:{self.tls_port}//"

    def settings(self) -> dict[str, str]:
        """Return what rabbitmq.conf says."""
        peers = {f"cluster_formation.classic_config.nodes.{i}": f"{name}@localhost"
                 for i, name in enumerate(self._members, 1)}  # fmt: skip
        return {
            **super().settings(),
            "listeners.ssl.1": f"{LOOPBACK}:{self.tls_port}",
            "ssl_options.cacertfile": str(self._authority.ca_file),
            "ssl_options.certfile": str(self._certificate.cert),
            "ssl_options.keyfile": str(self._certificate.key),
            "ssl_options.verify": "verify_peer" if self._asks else "verify_none",
            "ssl_options.fail_if_no_peer_cert": str(self._asks).lower(),
            **({"cluster_formation.peer_discovery_backend": "classic_config", **peers} if peers else {}),
        }

    def _answers(self) -> bool:
        # The plain listener opens a moment before the other.
        with socket.socket() as tried:
            return super()._answers() and tried.connect_ex((LOOPBACK, self.tls_port)) == 0

    def __enter__(self) -> Self:
        """Start the node; return when it answers."""
        self.start()
        self.wait_ready()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the node."""
        stop_together([self])

    def management(self, method: str, path: str, body: Any = None) -> Any:
        """Call the node's management API; return its JSON."""
        response = httpx.request(
            method, f"{self.management_url}{path}", json=body, timeout=20, trust_env=False
        )
        response.raise_for_status()
        return response.json() if response.content else None


class ClusterNode(TlsNode):
    """A node of a cluster, whose nodes share a port mapper, a password and a cookie."""

    mapper_port = 0

    def share(self, *, mapper_port: int) -> None:
        """Use the cluster's port mapper, password and cookie."""
        self.mapper_port, self._password = mapper_port, PASSWORD
        write_private(self._home / "password", PASSWORD)
        write_private(self._home / ".erlang.cookie", COOKIE)

    def mapper(self, run_dir: Path) -> Child:
        """Return the cluster's port mapper, started; it outlives every node."""
        self.ports = self.ports or Ports(*free_ports(4))
        env = self._environment(find_installation(UNPACK_ROOT))
        argv = ["epmd", "-address", LOOPBACK, "-port", str(self.mapper_port)]
        return Child(Command(name="epmd", argv=argv, env=env), run_dir=run_dir)

    def _environment(self, installation: Installation) -> dict[str, str]:
        return {**super()._environment(installation), "ERL_EPMD_PORT": str(self.mapper_port)}

    def _start_mapper(self, env: dict[str, str]) -> None:
        """Start none: the cluster has one."""


class RabbitMQCluster:
    """`with RabbitMQCluster(folder) as cluster:` runs three nodes with TLS, each of which can be killed."""

    def __init__(self, folder: Path, *, size: int = 3) -> None:
        """Prepare the nodes `rabbit1`, `rabbit2` …, each in a folder of its own."""
        self._folder = folder
        self.authority = Authority(folder / "ca")
        names = [f"rabbit{number}" for number in range(1, size + 1)]
        mapper_port = free_port()
        self.nodes = dict[str, ClusterNode]()
        for name in names:
            self.nodes[name] = ClusterNode(
                folder / name,
                authority=self.authority,
                certificate=self.authority.issue(name, LOOPBACK, "localhost"),
                node=name,
                members=names,
            )
            self.nodes[name].share(mapper_port=mapper_port)

    @property
    def url(self) -> str:
        """Return the BROKER_URL over TLS, with all nodes."""
        return ";".join(node.tls_url for node in self.nodes.values())

    def __enter__(self) -> Self:
        """Form the cluster; return when every node is in it and answers."""
        first = next(iter(self.nodes.values()))
        with ExitStack() as undo:
            mapper = first.mapper(self._folder)
            undo.callback(mapper.finish, 0)
            undo.callback(stop_together, self.nodes.values())
            # All at once: a node of RabbitMQ 4 waits until another one answers before it founds a cluster.
            for node in self.nodes.values():
                node.start()
            for node in self.nodes.values():
                node.wait_ready()
            wait_until(lambda: self.running() == {*self.nodes}, what="a cluster of all nodes")
            self._undo = undo.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End all nodes."""
        self._undo.close()

    def running(self) -> set[str]:
        """Return the names of the nodes that run, as the first live one sees it."""
        nodes = self._live().management("GET", "/api/nodes")
        return {node["name"].partition("@")[0] for node in nodes if node["running"]}

    @property
    def plain_url(self) -> str:
        """Return the URL of a live node, without TLS."""
        return self._live().url

    def messages(self) -> dict[str, int]:
        """Return how many messages each queue holds."""
        queues = self._live().management("GET", "/api/queues")
        return {queue["name"]: queue.get("messages", 0) for queue in queues}

    def leader(self, queue: str) -> str:
        """Return the name of the node that leads a quorum queue."""
        found = self._live().management("GET", f"/api/queues/%2F/{queue}")
        return str(found["leader"]).partition("@")[0]

    def kill(self, name: str) -> None:
        """End a node at once, as a lost host does."""
        child = self.nodes[name].child
        assert child is not None
        child.send(signal.SIGKILL)
        self.nodes[name].finish()

    def restart(self, name: str) -> None:
        """Start a killed node again; return when it is back in the cluster."""
        self.nodes[name].start()
        self.nodes[name].wait_ready()
        wait_until(lambda: name in self.running(), what=f"{name} back in the cluster")

    def _live(self) -> ClusterNode:
        return next(node for node in self.nodes.values() if node.child is not None)
