"""`manage.py loadtest` against a platform of a few lines in another process: is it quick, and on time?"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import psutil

from inference_site.stack.services import PROJECT
from jobs.core.loadtest.load_report import LoadReport
from tests.benchmarks.figure import Figure, at_least, at_most

PER_S, SECONDS = 1_000, 10
NOBODY = {"SECRET_KEY": "x", "DATABASE_URL": "postgresql://nobody/none", "BROKER_URL": "amqp://nobody"}


def measure() -> Iterator[Figure]:
    for wait in ("none", "longpoll"):
        report, cpu_s = ran(wait)
        seen = f"one POST a job at {PER_S:,}/s, --wait {wait}"
        yield at_least(f"{seen}: sent", report.rates.sent, 0.99 * PER_S, "jobs/s")
        yield at_most("   the sender's own lateness, p99", report.lateness_ms.p99 or 0.0, 5, "ms")
        yield Figure("   the same, p50 and most", f"{report.lateness_ms.p50} and {report.lateness_ms.max} ms")
        yield Figure("   from the intended moment, p99", f"{report.latency_ms.p99} ms")
        yield Figure("   CPU of the sender", f"{cpu_s / SECONDS:.2f} cores, its start included")
        yield Figure("   verdict", report.verdict)


def ran(wait: str) -> tuple[LoadReport, float]:
    """Return the report of a run, and the CPU seconds of its process."""
    with TemporaryDirectory() as folder, stub() as url:
        words = ["echo", "--rate", str(PER_S), "--duration", f"{SECONDS}s", "--wait", wait, "--follow", "20s"]
        target = ["--url", url, "--token", "t", "--out", folder]
        process = subprocess.Popen(
            [sys.executable, "manage.py", "loadtest", *words, *target],
            cwd=PROJECT,
            env={**os.environ, **NOBODY},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        cpu_s = watched_cpu_s(process)
        return msgspec.json.decode((Path(folder) / "report.json").read_bytes(), type=LoadReport), cpu_s


def watched_cpu_s(process: subprocess.Popen[bytes]) -> float:
    """Wait for the end of a process, and return the CPU seconds that it had when it was last seen."""
    cpu_s = 0.0
    while process.poll() is None:
        try:
            cpu_s = max(cpu_s, sum(psutil.Process(process.pid).cpu_times()[:2]))
        except psutil.Error:
            break
        time.sleep(0.1)
    process.wait()
    return cpu_s


@contextmanager
def stub() -> Iterator[str]:
    words = [sys.executable, "-m", "tests.support.load_stub"]
    with subprocess.Popen(
        words, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield process.stdout.readline().strip()
        process.stdin.close()
