"""Everything that runs, by name: started together, killed and started again one by one."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import psycopg

from inference_site.stack.leash import end_recorded
from inference_site.stack.prepare import prepare
from inference_site.stack.private_files import private_dir
from inference_site.stack.program import Program
from inference_site.stack.services import PROJECT
from inference_site.stack.specs import manage
from jobs.broker.topology import dead_queue_name, queue_name
from tests.chaos import audit
from tests.smoke.addresses import AMQP, NODES, RELAYS, WORKERS, Addresses
from tests.smoke.brokers import Brokers, Node
from tests.smoke.database import Primary, Replica
from tests.smoke.programs import MODELS, environment, programs
from tests.smoke.proxy import Proxy
from tests.smoke.rendering import Rendered
from tests.smoke.watcher import EXPORTER, Tool, Watcher
from tests.support.app import BUILT_IN
from tests.support.wait import wait_until

LIMIT_S, LOOK_S = 120.0, 0.2
PASSWORDS = ("DATABASE_OWNER_PASSWORD", "DATABASE_RUNTIME_PASSWORD", "DATABASE_RUNTIME_PASSWORD_B")
BUSIEST = "sleeper"  # the model whose queue the faults are aimed at
# A version whose batches take so long that a worker always has one in its hands.
SLOW = (
    "register_model", BUSIEST, "slow", "--loader", "entry_point", "--artifact", f"{BUILT_IN}:sleeper",
    "--options", json.dumps({"base_s": 0.5}), "--no-load",
)  # fmt: skip
LIVE_WORKERS = """
SELECT pid FROM jobs_worker WHERE ended_at IS NULL AND heartbeat_at > clock_timestamp() - interval '12 s'
"""
# The relay that feeds a model's queue, and those that hold any queue, by their process.
FEEDER = """
SELECT holder.label FROM jobs_lease lease JOIN jobs_leaseholder holder ON holder.id = lease.holder
WHERE lease.name = %s AND holder.expires_at > clock_timestamp()
"""
REGISTERED = "SELECT label FROM jobs_leaseholder WHERE office = 'relay' AND expires_at > clock_timestamp()"
LIVE = "SELECT count(*) FROM jobs_job WHERE state IN ('queued', 'waiting', 'running')"
SUCCEEDED = "SELECT count(*) FROM jobs_job WHERE state = 'succeeded'"


class World:
    """The stack of one run, under `home`."""

    def __init__(self, home: Path) -> None:
        """Prepare what runs; nothing is started."""
        self.home = private_dir(home)
        self.addresses = Addresses.choose()
        self.addresses.save(self.home / "ports.json")
        self.rendered = Rendered(self.home / "compose", self.addresses)
        parts: dict[str, Any] = {"rendered": self.rendered, "addresses": self.addresses}
        self.brokers = Brokers(self.home, **parts)
        self.primary, self.replica = Primary(self.home, **parts), Replica(self.home / "replica", **parts)
        self.proxy, self.watcher = Proxy(self.home, **parts), Watcher(self.home, **parts)
        self._disks = Tool(self.home, name=EXPORTER, addresses=self.addresses)
        self.programs = programs(self.home, **parts)
        self.token = ""
        self.hits: dict[str, int] = {}
        self.notes: list[str] = []

    def hit(self, count: int, what: str) -> None:
        """Note that the fault under way hit so many of these."""
        if count:
            self.hits[what] = self.hits.get(what, 0) + count

    def forget(self) -> None:
        """Reset what a fault hit."""
        self.hits, self.notes = {}, []

    @contextlib.contextmanager
    def running(self, say: Callable[[str], None]) -> Iterator[None]:
        """Start everything, in the order of compose.yaml; the block runs once all of it works."""
        with contextlib.ExitStack() as ends:
            ends.callback(self._stop)
            say("starts three RabbitMQ nodes, Postgres and its standby")
            self.brokers.start()
            self.primary.start()
            self.primary.wait_ready()
            self.replica.start()
            self.token = self._prepared(say)
            audit.install(self.primary.url)
            self.brokers.wait_ready()
            self.replica.wait_ready()
            say(f"starts {', '.join(part.name for part in self._started_last)}")
            for part in self._started_last:
                part.start()
            for part in self._started_last:
                part.wait_ready()
            self.wait_whole()
            yield

    @property
    def _started_last(self) -> list[Program | Proxy | Tool]:
        return [*self.programs.values(), self.proxy, self.watcher, self._disks]

    def _prepared(self, say: Callable[[str], None]) -> str:
        secrets = self.rendered.place / "secrets"
        owner = {"DATABASE_URL_FILE": str(self.rendered.file_of("owner"))}
        superuser = {
            "DATABASE_URL_FILE": str(self.rendered.file_of("superuser")),
            **{f"{name}_FILE": str(secrets / name) for name in PASSWORDS},
        }
        env = environment(self.home, "web", self.rendered)
        made = prepare(self.home, env=env, project=PROJECT, say=say, superuser=superuser, owner=owner)
        subprocess.run(manage(*SLOW), env=env, cwd=PROJECT, check=True, capture_output=True)
        return made.token

    def _stop(self) -> None:
        """End everything at once: nothing that remains is of use."""
        for program in self.programs.values():
            program.ask_to_stop()
        for node in self.brokers.nodes.values():
            if node.child is not None:
                node.kill()
        for part in (*self._started_last, self.brokers):
            part.finish()
        for server in (self.replica, self.primary):
            server.ask_to_stop()
            server.finish()
        end_recorded(self.home)

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return a query's rows."""
        with psycopg.connect(self.primary.url) as connection:
            return connection.execute(query, values).fetchall()

    def count(self, query: str) -> int:
        """Return the number that a query counts."""
        ((number,),) = self.rows(query)
        return int(number)

    def part(self, name: str) -> Node | Program:
        """Return a node or a program by its name."""
        return self.brokers.nodes[name] if name in NODES else self.programs[name]

    def pid(self, name: str) -> int:
        """Return the process id of a node or a program."""
        child = self.part(name).child
        assert child is not None, name
        return child.pid

    def kill(self, names: Sequence[str]) -> None:
        """End these at once, as a lost host does, with all their children."""
        parts = [self.part(name) for name in names]
        for part in parts:
            assert part.child is not None, part.name
            part.child.send(signal.SIGKILL)
        for part in parts:
            part.finish()

    def start(self, names: Sequence[str]) -> None:
        """Start these again; return when they answer and everything is whole again."""
        for name in names:
            self.part(name).start()
        for name in names:
            self.part(name).wait_ready()

    def connections(self, names: Collection[str]) -> dict[str, int]:
        """Return how many connections of these programs each node has."""
        ports = {self.addresses.of_node(node, AMQP): node for node in NODES}
        processes = [psutil.Process(self.pid(name)) for name in names]
        remote = [
            one.raddr.port for process in processes for one in process.net_connections("tcp") if one.raddr
        ]
        return Counter(ports[port] for port in remote if port in ports)

    def feeder(self) -> str:
        """Return the name of the relay that feeds the busiest queue."""
        ((label,),) = wait_until(
            lambda: self.rows(FEEDER, f"queue:{BUSIEST}"),
            limit_s=LIMIT_S, every_s=LOOK_S, what=f"a relay that feeds {queue_name(BUSIEST)}",
        )  # fmt: skip
        return next(name for name in RELAYS if str(label).endswith(f":{self.pid(name)}"))

    def wait_whole(self) -> None:
        """Return once every node has its copies of the queues, and all workers and relays are in office."""
        wait_until(lambda: not self.missing(), limit_s=LIMIT_S, every_s=LOOK_S, what=self.missing)

    def missing(self) -> list[str]:
        """Return the names of the nodes, workers and relays that do not do their work."""
        online = set[str].intersection(*(self.brokers.online(queue_name(model)) for model in MODELS))
        workers = {pid for (pid,) in self.rows(LIVE_WORKERS)}
        relays = {int(label.rpartition(":")[2]) for (label,) in self.rows(REGISTERED)}
        return [
            *sorted(set(NODES) - online),
            *(name for name in WORKERS if self.pid(name) not in workers),
            *(name for name in RELAYS if self.pid(name) not in relays),
        ]

    def leftovers(self) -> dict[str, int]:
        """Return how much work is left in each place that should be empty at the end."""
        side = {what: self.count(query) for what, query in audit.SIDE_ROWS.items()}
        queues = [name for model in MODELS for name in (queue_name(model), dead_queue_name(model))]
        return side | self.brokers.messages(queues)
