"""compose/render.py run for loopback: the configuration, certificates, users and secrets of production."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from inference_site.stack.ports import LOOPBACK
from inference_site.stack.private_files import private_dir, write_private
from jobs.broker.topology import BrokerUser
from tests.smoke.addresses import AMQP, MANAGEMENT, METRICS, NODES, PROGRAMS, REGISTRAR, Addresses, service_of
from tests.smoke.composed import COMPOSE, environment


class Rendered:
    """What render.py wrote under `folder`, by what reads it."""

    def __init__(self, folder: Path, addresses: Addresses) -> None:
        """Render for these ports."""
        self._folder, self._addresses = private_dir(folder), addresses
        self.place = self._folder / "rendered"
        self._values = {name: str(value) for name, value in self._variables()}
        lines = "".join(f"{name}={value}\n" for name, value in self._values.items())
        write_private(self._folder / ".env", lines)
        subprocess.run([sys.executable, str(COMPOSE / "render.py"), str(self._folder)], check=True)

    @property
    def ca_file(self) -> Path:
        """Return the CA that all trust."""
        return self.place / "ca" / "ca.pem"

    @property
    def nginx_conf(self) -> Path:
        """Return the proxy's configuration."""
        return self.place / "proxy" / "nginx.conf"

    @property
    def prometheus_conf(self) -> Path:
        """Return the configuration of Prometheus."""
        return self.place / "prometheus" / "prometheus.yaml"

    @property
    def replication_passfile(self) -> Path:
        """Return libpq's file with the password of the role that copies the primary."""
        return self.place / "postgres" / "replication.pgpass"

    def node_conf(self, node: str) -> Path:
        """Return the configuration of a RabbitMQ node."""
        return self.place / "rabbitmq" / f"{node}.conf"

    def server_conf(self, server: str) -> Path:
        """Return the configuration of a Postgres server."""
        return self.place / "postgres" / f"{server}.conf"

    def secret(self, name: str) -> str:
        """Return a secret by the name of its file."""
        return (self.place / "secrets" / name).read_text()

    def database_url(self, role: str) -> str:
        """Return the URL of `superuser`, `owner` or `runtime`: TLS, the server's name checked."""
        return self.file_of(role).read_text()

    def monitor(self) -> tuple[str, str]:
        """Return the login of the broker's user that only reads."""
        return BrokerUser.MONITOR.value, self.secret("MONITOR_PASSWORD")

    def env(self, service: str, folders: Mapping[str, Path]) -> dict[str, str]:
        """Return the variables that compose.yaml gives a service; `folders` are for the container's paths."""
        return environment(service, values=self._values, folders={"/rendered": self.place, **folders})

    def file_of(self, url: str) -> Path:
        """Return the file of the URL of the database as `superuser` or `owner`."""
        return self.place / "urls" / f"database-{url}"

    def _site(self) -> dict[str, str]:
        addresses = self._addresses
        return {
            "API_URL": addresses.api_url,
            "STREAM_URL": addresses.stream_url,
            "ALLOWED_HOSTS": LOOPBACK,
            "TRUSTED_PROXY_HOPS": "1",
        }

    def _variables(self) -> Iterator[tuple[str, object]]:
        """Yield the lines of `.env`: each host, port and path of one machine."""
        ports, folder = self._addresses.port, self._folder
        yield from self._site().items()
        yield "OWNERS", "nobody"
        yield "PLACE", self.place
        for server, host in (("POSTGRES", "postgres"), ("REPLICA", "postgres-replica")):
            yield f"{server}_HOST", LOOPBACK
            yield f"{server}_PORT", ports(host)
        yield "POSTGRES_LISTEN", LOOPBACK
        yield "POSTGRES_SOCKETS", private_dir(folder / "sockets")
        yield "WAL_ARCHIVE", private_dir(folder / "wal-archive")
        yield "POSTGRES_SHARED_BUFFERS", "256MB"
        yield "RABBITMQ_LISTEN", LOOPBACK
        port = self._addresses.of_node(NODES[0], MANAGEMENT)
        yield "RABBITMQ_MANAGEMENT_URL", f"https://{LOOPBACK}:{port}"
        yield "RABBITMQ_MEMORY", "0.2"
        yield "RABBITMQ_DISK_FREE", "50MB"
        for number, node in enumerate(NODES, 1):
            yield f"RABBITMQ_{number}_HOST", LOOPBACK
            yield f"RABBITMQ_{number}_NODE", f"{node}@localhost"
            for name, kind in (("PORT", AMQP), ("MANAGEMENT_PORT", MANAGEMENT), ("METRICS_PORT", METRICS)):
                yield f"RABBITMQ_{number}_{name}", self._addresses.of_node(node, kind)
        yield "PROXY_LISTEN", LOOPBACK
        for name in ("HTTP", "API", "STREAM", "ADMIN", "FLOWER", "STATUS"):
            yield f"PROXY_{name}_PORT", ports(f"proxy {name.lower()}")
        yield "PROXY_TMP", private_dir(folder / "proxy")
        yield "PROXY_LOG", folder / "proxy" / "calls.log"
        yield "PROXY_RESOLVER", LOOPBACK
        yield "PROXY_WORKERS", 1
        for name in ("web", "stream", REGISTRAR, "flower"):
            yield f"{name.upper()}_SERVER", f"{LOOPBACK}:{ports(name)}"
        yield "PROMETHEUS_RULES", COMPOSE / "prometheus" / "rules"
        yield "PROMETHEUS_SELF", f"{LOOPBACK}:{ports('prometheus')}"
        yield "ALERTMANAGER", f"{LOOPBACK}:{ports('alertmanager')}"
        yield "METRICS_NODE", f"{LOOPBACK}:{ports('node-exporter')}"
        # No collector runs here: this page stands for its own.
        yield "METRICS_COLLECTOR", f"{LOOPBACK}:{ports('node-exporter')}"
        yield from self._pages()

    def _pages(self) -> Iterator[tuple[str, object]]:
        """Yield the addresses of the programs' pages of metrics, by service."""
        for service in dict.fromkeys(map(service_of, PROGRAMS)):
            pages = [self._addresses.metrics(name) for name in PROGRAMS if service_of(name) == service]
            name = f"METRICS_{service.upper().replace('-', '_')}"
            yield name, ",".join(f"{LOOPBACK}:{port}" for port in pages)
