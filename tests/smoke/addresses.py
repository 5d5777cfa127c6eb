"""The ports of everything that runs, chosen before it is started: configuration names them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from inference_site.stack.ports import LOOPBACK, free_ports

REGISTRAR = "registrar"
NODES = ("rabbitmq-1", "rabbitmq-2", "rabbitmq-3")
RELAYS = ("relay-0", "relay-1")
WORKERS = ("gpu-worker-0", "gpu-worker-1")
PROGRAMS = ("web", "stream", REGISTRAR, *RELAYS, *WORKERS, "cpu-worker", "beat", "flower")
# What listens at each node, by the end of its port's name.
AMQP, MANAGEMENT, METRICS, DISTRIBUTION = "amqp", "management", "metrics", "distribution"
OF_NODE = (AMQP, MANAGEMENT, METRICS, DISTRIBUTION)
OF_PROXY = ("http", "api", "stream", "admin", "flower", "status")
SERVERS = (
    "web", "stream", REGISTRAR, "flower", "postgres", "postgres-replica", "mapper", "prometheus",
    "alertmanager", "node-exporter",
)  # fmt: skip


@dataclass(frozen=True)
class Addresses:
    """A loopback port by its name: a server's, `NODE KIND`, or `metrics of PROGRAM`."""

    ports: Mapping[str, int]

    @classmethod
    def choose(cls) -> Self:
        """Choose ports that are free now."""
        names = [*SERVERS, *(f"proxy {kind}" for kind in OF_PROXY)]
        names += [*(f"{node} {kind}" for node in NODES for kind in OF_NODE)]
        names += [f"metrics of {program}" for program in PROGRAMS]
        return cls(dict(zip(names, free_ports(len(names)), strict=True)))

    def port(self, name: str) -> int:
        """Return a port by its name."""
        return self.ports[name]

    def of_node(self, node: str, kind: str) -> int:
        """Return a port of a RabbitMQ node."""
        return self.ports[f"{node} {kind}"]

    def metrics(self, program: str) -> int:
        """Return the port of a program's page of metrics."""
        return self.ports[f"metrics of {program}"]

    @property
    def api_url(self) -> str:
        """Return the API's URL as clients see it: the proxy's."""
        return f"https://{LOOPBACK}:{self.port('proxy api')}"

    @property
    def stream_url(self) -> str:
        """Return the URL of the calls that wait, also at the proxy."""
        return f"https://{LOOPBACK}:{self.port('proxy stream')}"

    def save(self, path: Path) -> None:
        """Write the ports down, for people."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")


def service_of(program: str) -> str:
    """Return the service of compose.yaml that a program is a replica of."""
    return program.rstrip("-0123456789")
