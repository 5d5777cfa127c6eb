"""`sleeper` (5 ms a call, 0.1 ms an item) from the broker to results in Postgres: ours, and two rivals.

Each is one worker with one thread or process for the tasks, on the same broker and Postgres, its whole
backlog published before it starts; rates are from the first to the last stored result, ours from the first
claim. Ours runs before the rivals and after them. A rival runs on the prefork and on the threads pool, both
`-c 1`, and its better rate counts.

- plain Celery, this project's version: one task a job, acknowledged early (its default, less work than
  ours), prefetch 128 as its optimizing guide says for short tasks, no events, gossip, mingle or heartbeat.
- celery-batches 0.11 on Celery 5.6.3: up to 64 tasks a call, prefetch unlimited and a result stored for
  each task with `mark_as_done`, both as its documentation says; also acknowledged early.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import psycopg

from inference_site.stack.leash import death_words
from inference_site.stack.services import PROJECT
from tests.benchmarks.backlog import DEPTH, drained, same
from tests.benchmarks.bed import Bed, bed
from tests.benchmarks.figure import Figure, at_least
from tests.benchmarks.rivals.environment import older_python
from tests.support.wait import wait_until

JOBS = 20_000
STORED = """
SELECT count(*), extract(epoch FROM max(date_done) - min(date_done))::float8
FROM celery_taskmeta WHERE status = 'SUCCESS'
"""
LIMIT_S = 120.0
# Outside a prefork child Celery makes an engine and a connection a result: a quarter shows that well enough.
POOLS = {"prefork": 1.0, "threads": 0.25}
QUIET = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING")


@dataclass(frozen=True, slots=True)
class Rival:
    """A rival's name, which its module and queue share, its number of tasks and the goal."""

    name: str
    python: Callable[[], str]
    tasks: int
    goal: float


RIVALS = (
    Rival("plain_celery", lambda: sys.executable, 500, 40),
    Rival("batched_celery", older_python, 2_000, 18),
)


def measure() -> Iterator[Figure]:
    with bed("rivals", ("web", "relay"), env=DEPTH) as ground:
        ours = [_ours(ground)]
        rates = {rival: {pool: _rate(ground, rival, pool) for pool in POOLS} for rival in RIVALS}
        ours.append(_ours(ground))
    mean = sum(ours) / len(ours)
    yield Figure("ours, before and after", " and ".join(f"{rate:,.0f} jobs/s" for rate in ours))
    for rival, by_pool in rates.items():
        rates_by_pool = ", ".join(f"{pool} {rate:,.1f}" for pool, rate in by_pool.items())
        yield Figure(rival.name, f"{rates_by_pool} jobs/s")
        yield at_least(f"ours over {rival.name}", mean / max(by_pool.values()), rival.goal)


def _ours(ground: Bed) -> float:
    return drained(ground, same("sleeper", JOBS), "sleeper").per_s


def _rate(ground: Bed, rival: Rival, pool: str) -> float:
    results = _database(ground, f"{rival.name}_{pool}")
    env = _env(ground, results)
    tasks = int(POOLS[pool] * rival.tasks)
    words = [rival.python(), "-m", f"tests.benchmarks.rivals.{rival.name}", str(tasks)]
    subprocess.run(words, env=env, cwd=PROJECT, check=True)
    with psycopg.connect(results, autocommit=True) as reader, _worker(ground, rival, pool, env):
        return _stored_per_s(reader, tasks)


def _database(ground: Bed, name: str) -> str:
    ground.database.execute(f"CREATE DATABASE {name}")
    return str(urlsplit(ground.stack.info["database"])._replace(path=f"/{name}").geturl())


def _stored_per_s(reader: psycopg.Connection, tasks: int) -> float:
    def stored() -> tuple[int, float]:
        return reader.execute(STORED).fetchone() or (0, 0.0)

    wait_until(
        lambda: stored()[0] == tasks,
        limit_s=LIMIT_S,
        every_s=0.2,
        what=lambda: f"{tasks} results; there are {stored()[0]}",
    )
    # The clock starts when the first result is stored, so that one is not counted.
    return (tasks - 1) / float(stored()[1])


@contextmanager
def _worker(ground: Bed, rival: Rival, pool: str, env: dict[str, str]) -> Iterator[None]:
    app = f"tests.benchmarks.rivals.{rival.name}"
    words = [*death_words(signal.SIGTERM), rival.python(), "-m", "celery", "-A", app, "worker"]
    options = ["--pool", pool, "--concurrency", "1", "--hostname", f"{rival.name}@%h", *QUIET]
    with (ground.stack.run_dir / "log" / f"{rival.name}.log").open("ab") as log:
        process = subprocess.Popen([*words, *options], env=env, cwd=PROJECT, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)


def _env(ground: Bed, results: str) -> dict[str, str]:
    url = "db+" + results.replace("postgresql://", "postgresql+psycopg://", 1)
    # If Celery found Django's settings it would manage Django's connections too.
    inherited = {key: value for key, value in os.environ.items() if key != "DJANGO_SETTINGS_MODULE"}
    return {**inherited, "RIVAL_BROKER": ground.stack.info["broker"], "RIVAL_RESULTS": url}
