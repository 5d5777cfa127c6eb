"""The stack under test behind its links, and direct ways past them for a fault."""

from __future__ import annotations

import contextlib
import random
import signal
import sys
import uuid
from collections.abc import Iterator, Sequence
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import kombu
import psycopg

from inference_site.stack.harness import Stack
from inference_site.stack.leash import death_words
from jobs.broker.topology import dead_queue_name, queue_name
from jobs.core.messages.dead_letter_pointer import read_dead_letter
from tests.chaos import audit
from tests.chaos.records import FINE, Recorder
from tests.chaos.rolling import Rolling, compare, prepare
from tests.chaos.shadowing import prepare_shadow
from tests.chaos.wiring import Wiring
from tests.support.app import JOBS, rabbitmqctl, register
from tests.support.proxy import Network
from tests.support.rabbitmq_nodes import RabbitMQCluster
from tests.support.wait import wait_until

MODELS = ("echo", "sleeper", "minilm")
# More versions of these models: the built-in that each runs, its options, and the most items of a batch.
VERSIONS: dict[tuple[str, str], tuple[str, dict[str, Any], int]] = {
    ("echo", "faulty"): ("faulty", {}, 64),
    ("echo", "tight"): ("faulty", {"fits": 8}, 64),
    ("echo", "killer"): ("faulty", {"batch_limit_s": 2}, 4),
    ("sleeper", "shared"): ("sleeper", {"base_s": 0.5, "collapse": True, "cache_ttl_s": 1}, 64),
    ("sleeper", "long"): ("sleeper", {"base_s": 4.0}, 8),
    ("sleeper", "slow"): ("sleeper", {"base_s": 1.0}, 64),  # so that there is always a batch in hand
}
LIMIT_S, LOOK_S = 90.0, 0.1  # of a wait for something that a fault may hold up


class Ground(StrEnum):
    """What a round's stack stands on."""

    PLAIN = "plain"
    POOLED = "pooled"  # pgbouncer in transaction mode before Postgres
    CLUSTER = "cluster"  # three RabbitMQ nodes with TLS and quorum queues


class ChaosStack(Stack):
    """A stack whose programs reach the servers over links."""

    def __init__(self, run_dir: Path, wiring: Wiring) -> None:
        super().__init__(run_dir)
        wiring.save(self.run_dir / "wiring.json")
        self._words = [*death_words(signal.SIGTERM), sys.executable, "-m", "tests.chaos.launch"]
        self._words += [str(self.run_dir), str(self.run_dir / "wiring.json")]


class Answer(NamedTuple):
    """The rows of a query: true also where there is none."""

    rows: list[tuple[Any, ...]]


class World:
    """All that a fault may touch; `chance` is for that fault alone, from the seed."""

    def __init__(
        self, stack: ChaosStack, network: Network, recorder: Recorder, wiring: Wiring, rolling: Rolling
    ) -> None:
        self.stack, self.network, self.recorder, self.wiring = stack, network, recorder, wiring
        self.rolling = rolling
        self.chance = random.Random(0)
        self.cluster: RabbitMQCluster | None = None
        self.hits: dict[str, int] = {}
        self.notes: list[str] = []
        self.since = 0.0  # from when on the jobs' waits count, where that is later than the fault's beginning

    def hit(self, count: int, what: str) -> None:
        """Note that the fault under way hit so many of these."""
        if count:
            self.hits[what] = self.hits.get(what, 0) + count

    def note(self, words: str) -> None:
        """Add a measured value of the fault under way to the report."""
        self.notes.append(words)

    def forget(self) -> None:
        """Reset the counts of what a fault hits."""
        self.hits, self.notes, self.since = {}, [], 0.0

    def newest(self) -> int:
        """Return the number of the newest record of the audit."""
        ((newest,),) = self.rows("SELECT coalesce(max(seq), 0) FROM chaos_history")
        return int(newest)

    def moved_since(self, newest: int, before: str, after: str) -> int:
        """Return how many jobs went from one state to another after that record."""
        query = "SELECT count(*) FROM chaos_history WHERE seq > %s AND before = %s AND after = %s"
        return int(self.rows(query, newest, before, after)[0][0])

    @property
    def database(self) -> str:
        return str(self.stack.info["database"])

    def rows(self, query: Any, *values: Any) -> list[tuple[Any, ...]]:
        """Return a query's rows; ask again while the server is away."""
        return wait_until(
            lambda: self._answer(query, values), limit_s=LIMIT_S, every_s=LOOK_S, what="the database"
        ).rows

    def _answer(self, query: Any, values: Sequence[Any]) -> Answer | None:
        """Return the database's answer, or None while the server is away."""
        with contextlib.suppress(psycopg.OperationalError), psycopg.connect(self.database) as connection:
            return Answer(connection.execute(query, values).fetchall())
        return None

    def connection(self) -> psycopg.Connection:
        return psycopg.connect(self.database, autocommit=True)

    def broker(self) -> kombu.Connection:
        url = self.stack.info["broker"] if self.cluster is None else self.cluster.plain_url
        return kombu.Connection(url, connect_timeout=5)

    @cached_property
    def http(self) -> httpx.Client:
        info = self.stack.info
        headers = {"Authorization": f"Bearer {info['token']}"}
        return httpx.Client(base_url=info["api"], headers=headers, timeout=10, trust_env=False)

    def submit(
        self, model: str, inputs: Sequence[Any], *, expects: Sequence[str] = (), **fields: Any
    ) -> list[str]:
        """Post jobs until they are accepted; record and return their ids."""
        body = [{"model": model, "input": value, **fields} for value in inputs]
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        answer = wait_until(
            lambda: self._posted(body, headers), limit_s=LIMIT_S, every_s=LOOK_S, what="an accepted call"
        )
        ids = [job["id"] for job in answer.json()["jobs"]]
        self.recorder.accepted(ids, expects or [FINE] * len(ids), model=model, hurried=False)
        return ids

    def _posted(self, body: Any, headers: dict[str, str]) -> httpx.Response | None:
        try:
            answer = self.http.post(f"{JOBS}/bulk", json=body, headers=headers)
        except httpx.HTTPError:
            return None
        return answer if answer.status_code == httpx.codes.ACCEPTED else None

    def fresh(self) -> int:
        """Return a number that no input had before."""
        return uuid.uuid4().int >> 64

    def live(self, ids: Sequence[str] | None = None) -> list[str]:
        """Return the live jobs: all, or those of `ids`."""
        query = "SELECT id::text FROM jobs_job WHERE state IN ('queued', 'waiting', 'running')"
        if ids is None:
            return [job for (job,) in self.rows(query)]
        return [job for (job,) in self.rows(f"{query} AND id = ANY(%s::uuid[])", list(ids))]

    def rabbitmqctl(self, *words: str) -> str:
        return rabbitmqctl(self.stack, *words)

    def messages(self) -> dict[str, int]:
        """Return how many messages each work queue holds, unacknowledged ones included."""
        counts = self._counts() if self.cluster is None else self.cluster.messages()
        return {queue_name(model): counts.get(queue_name(model), 0) for model in MODELS}

    def _counts(self) -> dict[str, int]:
        table = self.rabbitmqctl("list_queues", "--quiet", "--no-table-headers", "name", "messages")
        return {name: int(count) for name, count in (line.split("\t") for line in table.splitlines() if line)}

    def dead_letters(self) -> set[tuple[str, int]]:
        """Return job and epoch of each message in the dead-letter queues; the messages stay there."""
        with self.broker() as broker, broker.channel() as channel:
            bodies = [m.body for model in MODELS for m in _all_of(channel, dead_queue_name(model))]
        pointers = [pointer for body in bodies if (pointer := read_dead_letter(body)) is not None]
        return {(str(pointer.job), pointer.epoch) for pointer in pointers}


def _all_of(channel: Any, queue: str) -> Iterator[Any]:
    while (message := channel.basic_get(queue)) is not None:
        yield message


@contextlib.contextmanager
def world(home: Path, ground: Ground = Ground.PLAIN) -> Iterator[World]:
    """Bring up a stack under `home` with everything a run needs in its database, and end it."""
    with contextlib.ExitStack() as parts:
        cluster = parts.enter_context(RabbitMQCluster(home / "cluster")) if ground is Ground.CLUSTER else None
        env = {} if cluster is None else _of_cluster(cluster)
        wiring = Wiring.choose(pooled=ground is Ground.POOLED, env=env)
        stack = ChaosStack(home / "stack", wiring)
        network = parts.enter_context(Network(wiring.network_links()))
        parts.enter_context(stack)
        for (model, version), (runs, options, most) in VERSIONS.items():
            register(stack, model, version, runs, "--max-batch", str(most), **options)
        rolling = Rolling(stack.info["api"], prepare(stack))
        compare(stack)
        prepare_shadow(stack)
        audit.install(stack.info["database"])
        made = World(stack, network, Recorder(home / "suite.jsonl"), wiring, rolling)
        made.cluster = cluster
        yield made


def _of_cluster(cluster: RabbitMQCluster) -> dict[str, str]:
    return {
        "BROKER_URL": cluster.url,
        "BROKER_CA_FILE": str(cluster.authority.ca_file),
        "QUEUE_TYPE": "quorum",
    }
