"""What the servers, their logs, their ports and Prometheus say of a run, but for the jobs themselves."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import httpx
import psutil
import psycopg

from inference_site.stack.ports import LOOPBACK
from tests.smoke import backup
from tests.smoke.addresses import AMQP, DISTRIBUTION, MANAGEMENT, METRICS, NODES, PROGRAMS, REGISTRAR, WORKERS
from tests.smoke.database import REPLICA, Primary
from tests.smoke.watcher import Alert, Watcher
from tests.smoke.world import BUSIEST, World
from tests.smoke.zones import zone_of
from tests.support.wait import NotInTimeError, wait_until

REFUSED = re.compile(r"\brefused\b|access_refused", re.IGNORECASE)
OF_DATABASE = re.compile(
    r"permission denied|must be owner|no pg_hba.conf entry|password authentication failed"
)
ZONES_OF_WORKERS = "SELECT pid, zone FROM jobs_worker WHERE ended_at IS NULL"
ANSWER_S = 5.0
NEXT_SCRAPE_S = 25.0  # Prometheus asks every ten seconds
LOOPBACKS = {LOOPBACK, "::1"}
FIRING, PAGE = "firing", "page"
AMQP_BEGINS = {b"\x01", b"A"}  # a method's frame, or the header of another version
AMQP_HEADER, HTTP_CALL = b"AMQP\x00\x00\x09\x01", b"GET / HTTP/1.0\r\n\r\n"


@dataclass(frozen=True)
class Seen:
    """What Prometheus says: targets that are down, those never scraped, and the alerts of the run."""

    down: Sequence[str]
    unscraped: Sequence[str]
    alerts: Sequence[Alert]

    @classmethod
    def of(cls, world: World, *, since: float, until: float) -> Self:
        """Ask a running Prometheus about the time between two moments."""
        watcher, expected = world.watcher, _pages(world)
        scraped = watcher.scraped(since, until)
        return cls(
            _still_down(watcher, expected),
            sorted(name for name, address in expected.items() if address not in scraped),
            watcher.alerts(since, until),
        )

    @property
    def pages(self) -> set[str]:
        """Return the alerts that fired and wake a person."""
        return {alert.name for alert in self.alerts if (alert.state, alert.severity) == (FIRING, PAGE)}


def _still_down(watcher: Watcher, expected: Mapping[str, str]) -> list[str]:
    """Return what is down, also after the next scrape: the last one may be of before its return."""

    def down() -> list[str]:
        health = watcher.targets()
        return sorted(name for name, address in expected.items() if health.get(address) != "up")

    with contextlib.suppress(NotInTimeError):
        wait_until(lambda: not down(), limit_s=NEXT_SCRAPE_S, every_s=1.0)
    return down()


def _pages(world: World) -> dict[str, str]:
    ports = {name: world.addresses.metrics(name) for name in PROGRAMS}
    ports |= {node: world.addresses.of_node(node, METRICS) for node in NODES}
    ports |= {name: world.addresses.port(name) for name in ("prometheus", "node-exporter")}
    return {name: f"{LOOPBACK}:{port}" for name, port in ports.items()}


def complaints(world: World, seen: Seen, expected_pages: set[str]) -> list[str]:
    """Return a sentence for each thing that is not as it should be; the stack still runs."""
    return [
        *(f"Prometheus never scraped {name}" for name in seen.unscraped),
        *(f"{name} was down at the end" for name in seen.down if name not in seen.unscraped),
        *(f"the alert {name} fired" for name in sorted(seen.pages - expected_pages)),
        *(f"the alert {name} did not fire" for name in sorted(expected_pages - seen.pages)),
        *backup.complaints(world),
        *_refusals(world),  # before the next, which causes some
        *_zones(world),
        *_strange_ports(world),
        *_registrations(world),
        *_without_tls(world),
    ]


def _zones(world: World) -> Iterator[str]:
    """Yield the live workers whose rows name another zone than theirs."""
    rows = dict(world.rows(ZONES_OF_WORKERS))
    for name in WORKERS:
        if (shown := rows.get(world.pid(name))) != zone_of(name):
            yield f"the row of {name} shows zone {shown!r}, not {zone_of(name)!r}"


def _refusals(world: World) -> Iterator[str]:
    """Yield what servers and programs logged about a right that was refused."""
    logs = {node: world.home / node / "log" / f"{node}.log" for node in NODES}
    logs |= {name: world.home / "log" / f"{name}.log" for name in world.programs}
    patterns = dict.fromkeys(NODES, REFUSED) | dict.fromkeys(world.programs, re.compile("ACCESS_REFUSED"))
    for server, path in ((Primary.name, world.home), (REPLICA, world.home / "replica")):
        logs[server], patterns[server] = path / "log" / f"{server}.log", OF_DATABASE
    for name, path in logs.items():
        lines = [
            line for line in path.read_text(errors="replace").splitlines() if patterns[name].search(line)
        ]
        if lines:
            yield f"{name} logged {len(lines)} refusals: {lines[0][:200]}"


def _strange_ports(world: World) -> Iterator[str]:
    """Yield the ports that a process of the stack listens on and that no configuration names."""
    known = {*world.addresses.ports.values()}
    for process in psutil.Process().children(recursive=True):
        for host, port in _listening(process):
            if host not in LOOPBACKS or port not in known:
                yield f"process {process.pid} ({process.name()}) listens on {host}:{port}"


def _listening(process: psutil.Process) -> set[tuple[str, int]]:
    try:
        sockets = process.net_connections("tcp")
    except psutil.Error:
        return set()
    return {(one.laddr.ip, one.laddr.port) for one in sockets if one.status == psutil.CONN_LISTEN}


def _registrations(world: World) -> Iterator[str]:
    """Yield a sentence where the proxy sends a registration, or a look at the versions, to another server."""
    path = f"/api/v1/models/{BUSIEST}/versions"
    expected = {"POST": REGISTRAR, "GET": "web"}
    trusted = ssl.create_default_context(cafile=world.rendered.ca_file)
    for method in expected:
        url = world.addresses.api_url + path
        httpx.request(method, url, verify=trusted, trust_env=False, timeout=ANSWER_S)
    log = world.rendered.place.parent / "proxy/calls.log"

    def seen() -> dict[str, str]:
        calls = map(json.loads, log.read_text().splitlines())
        return {call["method"]: call["upstream"] for call in calls if call["path"] == path}

    wait_until(lambda: seen().keys() >= expected.keys(), limit_s=ANSWER_S)
    for method, server in expected.items():
        if (upstream := seen()[method]) != f"{LOOPBACK}:{world.addresses.port(server)}":
            yield f"the proxy sent {method} {path} to {upstream}, not to {server}"


def _without_tls(world: World) -> Iterator[str]:
    """Yield the servers that speak no TLS with the CA's certificate, or that answer without it."""
    port, node_port = world.addresses.port, world.addresses.of_node
    proxied = {f"proxy {kind}": port(f"proxy {kind}") for kind in ("api", "stream", "admin", "flower")}
    spoken = proxied | {f"{node} {kind}": node_port(node, kind)
                        for node in NODES for kind in (AMQP, MANAGEMENT, DISTRIBUTION)}  # fmt: skip
    yield from (f"{name} speaks no TLS" for name, port in spoken.items() if not _speaks_tls(port, world))
    for node in NODES:
        if _answer(node_port(node, AMQP), AMQP_HEADER)[:1] in AMQP_BEGINS:
            yield f"{node} answers AMQP in the clear"
        if _takes_strangers(node_port(node, AMQP), world):
            yield f"{node} takes connections that show no certificate"
    for name, number in [*proxied.items(), *((f"{n} {MANAGEMENT}", node_port(n, MANAGEMENT)) for n in NODES)]:
        if re.match(rb"HTTP/1.\d [23]", _answer(number, HTTP_CALL)):
            yield f"{name} answers HTTP in the clear"
    redirected = httpx.get(f"http://{LOOPBACK}:{port('proxy http')}/api/v1/jobs", trust_env=False)
    if (
        redirected.status_code != httpx.codes.PERMANENT_REDIRECT
        or "https://" not in redirected.headers["location"]
    ):
        yield f"the proxy answers http with {redirected.status_code}"
    for server in (Primary.name, REPLICA):
        if _database_in_the_clear(world, port(server)):
            yield f"{server} takes logins without TLS"


def _takes_strangers(port: int, world: World) -> bool:
    """Return whether a node answers AMQP to a client without a certificate."""
    context = ssl.create_default_context(cafile=world.rendered.ca_file)
    try:
        with (
            socket.create_connection((LOOPBACK, port), ANSWER_S) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as secure,
        ):
            secure.sendall(AMQP_HEADER)
            return bool(secure.recv(64))
    except OSError:
        return False


def _speaks_tls(port: int, world: World) -> bool:
    context = ssl.create_default_context(cafile=world.rendered.ca_file)
    own = world.rendered.place / "tls" / NODES[0]  # nodes let in nobody but each other
    context.load_cert_chain(own / "cert.pem", own / "key.pem")
    try:
        with (
            socket.create_connection((LOOPBACK, port), ANSWER_S) as plain,
            context.wrap_socket(plain, server_hostname="localhost"),
        ):
            return True
    except OSError:
        return False


def _answer(port: int, text: bytes) -> bytes:
    """Return the first bytes that a port answers a text with; none if it refuses it."""
    try:
        with socket.create_connection((LOOPBACK, port), ANSWER_S) as plain:
            plain.sendall(text)
            return plain.recv(64)
    except OSError:
        return b""


def _database_in_the_clear(world: World, port: int) -> bool:
    login: dict[str, Any] = {
        "user": "inference",
        "password": world.rendered.secret("POSTGRES_PASSWORD"),
        "dbname": "inference",
    }
    try:
        psycopg.connect(host=LOOPBACK, port=port, sslmode="disable", connect_timeout=5, **login).close()
    except psycopg.OperationalError:
        return False
    return True
