"""The base of every benchmark: a stack of its own, a client, queries, CPU by process."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import httpx
import psutil
import psycopg

from inference_site.stack.harness import Stack
from inference_site.stack.leash import death_words
from inference_site.stack.services import PROJECT
from tests.benchmarks.watched import watch_statements
from tests.support.app import manage, stack_env
from tests.support.wait import wait_until

LIGHT = ("web", "stream", "relay")


class Bed:
    """A running stack and the ways to load and watch it."""

    def __init__(self, stack: Stack) -> None:
        self.stack, info = stack, stack.info
        headers = {"Authorization": f"Bearer {info['token']}"}
        self.http = httpx.Client(base_url=info["api"], headers=headers, timeout=120, trust_env=False)
        self.database = psycopg.connect(info["database"], autocommit=True)
        self.workers = dict[str, int]()  # the process ids of those beside the stack

    def bulk(self, model: str, count: int, value: object) -> None:
        """Post `count` jobs, ten thousand a call."""
        while count > 0:
            jobs = [{"model": model, "input": value}] * min(count, 10_000)
            answer = self.http.post("/api/v1/jobs/bulk", json=jobs).raise_for_status().json()
            assert answer["rejected"] == 0, answer["jobs"][:2]
            count -= len(jobs)

    def one(self, query: str) -> Any:
        row = self.database.execute(query).fetchone()
        return row[0] if row is not None and len(row) == 1 else row

    def until(self, query: str, value: object, *, limit_s: float = 300.0) -> None:
        """Wait until a query returns `value`."""
        wait_until(
            lambda: self.one(query) == value,
            limit_s=limit_s,
            every_s=0.2,
            what=lambda: f"{query}: {self.one(query)}, not {value}",
        )

    @contextlib.contextmanager
    def worker(
        self, models: str, *, lanes: int = 1, env: Mapping[str, str] | None = None, index: int = 0
    ) -> Iterator[psutil.Process]:
        """Run one worker beside the stack, at a moment that the benchmark chooses.

        Workers at the same time need numbers of their own, `index`: a second one of a number ends the first.
        """
        words = [*death_words(signal.SIGKILL), sys.executable, "manage.py", "gpu_worker", "--cpu"]
        with (self.stack.run_dir / "log" / "worker.log").open("ab") as log:
            process = subprocess.Popen(
                [*words, "--models", models, "--lanes", str(lanes), "--index", str(index)],
                env={**stack_env(self.stack), **(env or {})},
                cwd=PROJECT,
                stdout=log,
                stderr=log,
            )
        name = f"worker {index} of {models}"
        self.workers[name] = process.pid
        try:
            yield psutil.Process(process.pid)
        finally:
            del self.workers[name]
            process.terminate()
            process.wait(60)

    def manage(self, *words: str) -> str:
        """Run a management command beside the stack and return what it printed."""
        return manage(self.stack, *words).strip()

    def cpu_s(self) -> float:
        """Return the CPU seconds so far of all processes of the stack, also of those that have ended."""
        supervisor = psutil.Process(
            os.getppid() if self.stack._supervisor is None else self.stack._supervisor.pid
        )
        return sum(map(cpu_s, supervisor.children(recursive=True)))


@contextlib.contextmanager
def bed(
    name: str, only: Sequence[str], *, env: Mapping[str, str] | None = None, statements: bool = False
) -> Iterator[Bed]:
    """Run a stack of `only` these programs, all if empty, and delete it; `statements`: count them."""
    stack = Stack(PROJECT / ".run" / f"bench-{name}-{os.getpid()}", only=only, workers=1, env=env)
    try:
        if statements:
            watch_statements(stack.run_dir)
        with stack:
            yield Bed(stack)
    finally:
        stack.delete()


@contextlib.contextmanager
def whole_bed(name: str) -> Iterator[Bed]:
    """Run all that `make up` runs, and count the statements of its database.

    BENCH_LIGHT=1 leaves out Flower, beat, the worker of webhooks and MiniLM, for a quick look.
    """
    if not os.environ.get("BENCH_LIGHT"):
        with bed(name, (), statements=True) as ground:
            yield ground
        return
    with bed(name, LIGHT, statements=True) as ground, ground.worker("sleeper,echo"):
        yield ground


def cpu_s(process: psutil.Process) -> float:
    """Return the CPU seconds of a process and of its children that ended."""
    try:
        return sum(process.cpu_times()[:4])
    except psutil.Error:
        return 0.0


class Samples:
    """Samples of a figure, with straight lines between them."""

    def __init__(self, look: Callable[[], float]) -> None:
        self._look = look
        self._samples: list[tuple[float, float]] = []

    def take(self) -> None:
        self._samples.append((time.time(), self._look()))

    def at(self, moment: float) -> float:
        """Return the figure at a time in Unix seconds."""
        before = [pair for pair in self._samples if pair[0] <= moment] or self._samples[:1]
        after = [pair for pair in self._samples if pair[0] >= moment] or self._samples[-1:]
        (early, low), (late, high) = before[-1], after[0]
        return low if late == early else low + (high - low) * (moment - early) / (late - early)
