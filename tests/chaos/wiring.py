"""The ports of the servers, and the links between them and the programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from inference_site.stack.ports import LOOPBACK, free_ports
from inference_site.stack.program import Spec
from inference_site.stack.rabbitmq import Ports
from tests.support.proxy import Link

PAIRS = ("web-postgres", "relay-postgres", "relay-rabbit", "worker-postgres", "worker-rabbit")
CLOCK = Path(__file__).parent / "clock"


@dataclass(frozen=True)
class Wiring:
    """Ports, chosen before a server listens there, and a link for each of PAIRS."""

    postgres: int
    rabbit: tuple[int, int, int, int]
    links: dict[str, int]
    pooler: int = 0  # 0: the links lead to Postgres itself
    env: dict[str, str] = field(default_factory=dict)  # of all programs; a BROKER_URL is another's broker

    @classmethod
    def choose(cls, *, pooled: bool = False, env: Mapping[str, str] | None = None) -> Self:
        first, pooler, *rest = free_ports(6 + len(PAIRS))
        links = dict(zip(PAIRS, rest[4:], strict=True))
        rabbit = (rest[0], rest[1], rest[2], rest[3])
        return cls(first, rabbit, links, pooler if pooled else 0, dict(env or {}))

    @classmethod
    def load(cls, path: Path) -> Self:
        return cls(**json.loads(path.read_text()))

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)))

    @property
    def rabbit_ports(self) -> Ports:
        return Ports(*self.rabbit)

    def network_links(self) -> dict[str, Link]:
        server = {"postgres": self.pooler or self.postgres, "rabbit": self.rabbit[0]}
        return {
            name: Link(port, (LOOPBACK, server[name.partition("-")[2]])) for name, port in self.links.items()
        }

    def through_links(self, spec: Spec, *, database: str, broker: str, clock: Path) -> Spec:
        """Return the program with URLs over its links; a worker reads the error of its clock from a file."""
        kind = spec.name.split("-")[0].replace("gpu", "worker")
        env: dict[str, str] = {}
        if f"{kind}-postgres" in self.links:
            env["DATABASE_URL"] = self._detour(database, f"{kind}-postgres")
        if self.pooler:
            env["DATABASE_DIRECT_URL"] = database
        if f"{kind}-rabbit" in self.links and "BROKER_URL" not in self.env:
            env["BROKER_URL"] = self._detour(broker, f"{kind}-rabbit")
        if kind in {"worker", "relay"}:
            env |= {"PYTHONPATH": str(CLOCK), "CHAOS_CLOCK": str(clock)}
        return replace(spec, env={**spec.env, **env})

    def _detour(self, url: str, link: str) -> str:
        parts = urlsplit(url)
        login = parts.netloc.rpartition("@")[0]
        return parts._replace(netloc=f"{login}@{LOOPBACK}:{self.links[link]}").geturl()
