"""The CPU of a whole stack by process, and of Postgres by whose connection it worked for."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import psutil
import psycopg

from tests.benchmarks.bed import Bed, cpu_s
from tests.benchmarks.figure import Figure

SUPERVISOR, POSTGRES = "supervisor", "postgres"
BACKENDS = """
SELECT pid, COALESCE(NULLIF(application_name, ''), backend_type) FROM pg_stat_activity
WHERE pid <> pg_backend_pid()
"""
SHOWN = 0.0005  # of a core: below it a row says nothing


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU seconds by process over a time; `backends`: those of Postgres by application, a part of its own."""

    seconds: float
    by_process: Mapping[str, float]
    backends: Mapping[str, float]
    machine_s: float

    @property
    def total_s(self) -> float:
        return sum(self.by_process.values())

    def figures(self, what: str, jobs: int = 0, client_s: float = 0.0) -> Iterator[Figure]:
        """Yield a row a process, the costliest first; by job too, where there were some."""
        yield Figure(f"{what}: CPU of the whole stack", self._words(self.total_s, jobs))
        for name, used_s in sorted(self.by_process.items(), key=lambda pair: -pair[1]):
            if used_s > SHOWN * self.seconds:
                yield Figure(f"   {name}", self._words(used_s, jobs))
                if name == POSTGRES:
                    yield Figure("      of it for", self._backends())
        others_s = max(0.0, self.machine_s - self.total_s - client_s)
        client = f"{client_s / self.seconds:.1%} the client, " if client_s else ""
        yield Figure("   beside the stack", f"{client}{others_s / self.seconds:.1%} of a core all else")

    def _words(self, used_s: float, jobs: int) -> str:
        a_job = f", {used_s / jobs * 1e3:.2f} ms a job" if jobs else ""
        return f"{used_s / self.seconds:.1%} of a core{a_job}"

    def _backends(self) -> str:
        parts = sorted(self.backends.items(), key=lambda pair: -pair[1])
        shown = [f"{name} {s / self.seconds:.1%}" for name, s in parts if s > SHOWN * self.seconds]
        return ", ".join(shown) or "nobody"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """CPU seconds so far."""

    at: float
    by_process: Mapping[str, float]
    backends: Mapping[tuple[int, str], float]
    machine_s: float

    def until(self, later: Snapshot) -> Spent:
        """Return what was spent between two snapshots."""
        used = {name: cpu - self.by_process.get(name, 0.0) for name, cpu in later.by_process.items()}
        backends = Counter[str]()
        for key, cpu in later.backends.items():
            backends[key[1]] += cpu - self.backends.get(key, 0.0)  # type: ignore[assignment]
        return Spent(later.at - self.at, used, backends, later.machine_s - self.machine_s)


def snapshot(ground: Bed) -> Snapshot:
    """Return the CPU seconds of all processes of a stack and of the workers beside it.

    The children of a process are part of it, also those that have ended.
    """
    pids: dict[str, int] = {**ground.stack.info["pids"], **ground.workers}
    by_process = {name: _tree_s(pid) for name, pid in pids.items()}
    if ground.stack._supervisor is not None:
        own = psutil.Process(ground.stack._supervisor.pid).cpu_times()
        by_process[SUPERVISOR] = own.user + own.system
    return Snapshot(time.monotonic(), by_process, _backends(ground.database), _machine_s())


def _tree_s(pid: int) -> float:
    try:
        root = psutil.Process(pid)
        return sum(map(cpu_s, [root, *root.children(recursive=True)]))
    except psutil.NoSuchProcess:
        return 0.0


def _backends(database: psycopg.Connection) -> dict[tuple[int, str], float]:
    rows = database.execute(BACKENDS).fetchall()
    return {(pid, name): _own_s(pid) for pid, name in rows}


def _own_s(pid: int) -> float:
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


def _machine_s() -> float:
    """Return the CPU seconds of everything on this machine, idle time left out."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.irq + times.softirq)
