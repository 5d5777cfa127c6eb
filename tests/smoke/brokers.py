"""Three RabbitMQ nodes of compose's own configuration, on loopback; each can be killed and started again."""

from __future__ import annotations

import shutil
import signal
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from inference_site.stack.leash import Child, Command
from inference_site.stack.ports import LOOPBACK
from inference_site.stack.rabbitmq import Installation, Ports, RabbitMQ, find_installation
from inference_site.stack.served import stop_together
from inference_site.stack.services import UNPACK_ROOT
from tests.smoke.addresses import AMQP, DISTRIBUTION, MANAGEMENT, NODES, Addresses
from tests.smoke.composed import COMPOSE
from tests.smoke.rendering import Rendered
from tests.support.wait import wait_until

START_S = 120.0
START_SCRIPT = COMPOSE / "rabbitmq" / "start.sh"


class Node(RabbitMQ):
    """A node that reads a rendered configuration; its port mapper is the cluster's."""

    def __init__(self, run_dir: Path, node: str, *, rendered: Rendered, addresses: Addresses) -> None:
        """Prepare to serve from `run_dir` as `node`@localhost."""
        super().__init__(run_dir / node, unpack_root=UNPACK_ROOT)
        self.name = self.node = node
        self._rendered = rendered
        amqp, management, distribution = (
            addresses.of_node(node, kind) for kind in (AMQP, MANAGEMENT, DISTRIBUTION)
        )
        self.ports = Ports(amqp, management, distribution, addresses.port("mapper"))

    def start(self) -> None:
        """Start the node by compose's own script, without waiting for it."""
        self._write_files()
        argv = ["/bin/sh", str(START_SCRIPT), "rabbitmq-server"]
        env = self._environment(find_installation(UNPACK_ROOT))
        self.child = Child(Command(name=self.name, argv=argv, env=env), run_dir=self.run_dir)

    def wait_ready(self) -> None:
        """Return once a client can log in over TLS."""
        assert self.child is not None
        self.child.wait_until(self._answers, timeout_s=START_S)

    def mapper(self, run_dir: Path) -> Child:
        """Return the cluster's port mapper, started; it outlives every node."""
        env = self._environment(find_installation(UNPACK_ROOT))
        argv = ["epmd", "-address", LOOPBACK, "-port", env["ERL_EPMD_PORT"]]
        return Child(Command(name="epmd", argv=argv, env=env), run_dir=run_dir)

    def ask(self, path: str) -> Any:
        """Return the management API's JSON, asked over TLS as the user that only reads."""
        context = ssl.create_default_context(cafile=self._rendered.ca_file)
        url = f"https://{LOOPBACK}:{self._chosen_ports().management}{path}"
        answer = httpx.get(url, auth=self._rendered.monitor(), verify=context, timeout=10, trust_env=False)
        return answer.raise_for_status().json()

    def kill(self) -> None:
        """End the node at once, as a lost host does."""
        assert self.child is not None
        self.child.send(signal.SIGKILL)
        self.finish()

    def _answers(self) -> bool:
        try:
            return bool(self.ask("/api/whoami"))
        except (httpx.HTTPError, OSError):
            return False

    def _write_files(self) -> None:
        shutil.copy(self._rendered.place / "rabbitmq" / "enabled_plugins", self._home / "enabled_plugins")

    def _environment(self, installation: Installation) -> dict[str, str]:
        own = {
            "RENDERED": str(self._rendered.place),
            "COOKIE": str(self._rendered.place / "secrets" / "ERLANG_COOKIE"),
            "N": self.node.rpartition("-")[2],
            "RABBITMQ_CONFIG_FILE": str(self._rendered.node_conf(self.node)),
            "RABBITMQ_LOGS": "-",  # as in a container
        }
        return {**super()._environment(installation), **own}


class Brokers:
    """The cluster: its nodes, and what those that live say of a queue."""

    def __init__(self, run_dir: Path, *, rendered: Rendered, addresses: Addresses) -> None:
        """Prepare the nodes."""
        self._run_dir = run_dir
        self._mapper: Child | None = None
        self.nodes = {
            node: Node(run_dir, node, rendered=rendered, addresses=addresses) for node in NODES
        }  # fmt: skip

    def start(self) -> None:
        """Start the nodes, which form a cluster, without waiting for them."""
        self._mapper = next(iter(self.nodes.values())).mapper(self._run_dir)
        for node in self.nodes.values():
            node.start()

    def wait_ready(self) -> None:
        """Return when every node answers."""
        for node in self.nodes.values():
            node.wait_ready()

    def finish(self) -> None:
        """End the nodes, then the port mapper."""
        stop_together(self.nodes.values())
        if self._mapper is not None:
            self._mapper.finish(0)

    def queue(self, name: str) -> dict[str, Any]:
        """Return what a live node says of a queue; empty if it says nothing yet."""
        live = next(node for node in self.nodes.values() if node.child is not None)
        try:
            return dict(live.ask(f"/api/queues/%2F/{name}"))
        except httpx.HTTPStatusError:
            return {}

    def leader(self, queue: str) -> str:
        """Return the name of the node that leads a queue."""
        return wait_until(lambda: _host(self.queue(queue).get("leader", "")), what=f"a leader of {queue}")

    def online(self, queue: str) -> set[str]:
        """Return the names of the nodes whose copy of a queue is online."""
        return {_host(member) for member in self.queue(queue).get("online", ())}

    def messages(self, queues: Sequence[str]) -> dict[str, int]:
        """Return how many messages each queue holds, unacknowledged ones included."""
        return {name: int(self.queue(name).get("messages", 0)) for name in queues}


def _host(member: str) -> str:
    return member.partition("@")[0]
