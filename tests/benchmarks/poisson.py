"""`sleeper` at 500 a second, one POST a job: from the moment it was due to be sent to its stored result.

Arrivals are a seeded Poisson process and do not wait for answers. A job's time starts when its POST was due,
so that a slow moment hides no latency, and ends when the notification of the result's commit arrives; the
time to `finished_at`, when that transaction began, is shown beside it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

import psycopg

from inference_site.stack.harness import Stack
from inference_site.stack.services import PROJECT
from jobs.core.channels import SETTLED
from jobs.db.channel_names import NAME
from jobs.management.demo.figures import percentile
from tests.benchmarks.bed import Bed, bed, cpu_s
from tests.benchmarks.figure import Figure, at_most

PER_S, SECONDS, WARM_S, SEED = 500, 23, 3, 1
LATE_S = 0.005
LIVE = "SELECT count(*) FROM jobs_job WHERE state <> 'succeeded'"
ROWS = """
SELECT id::text, 'batch:' || batch_id, extract(epoch FROM created_at)::float8,
       extract(epoch FROM finished_at)::float8 FROM jobs_job
"""


def measure() -> Iterator[Figure]:
    with bed("poisson", ("web", "relay")) as ground, ground.worker("sleeper") as worker:
        ground.bulk("sleeper", 1, {})
        ground.until(LIVE, 0)
        before_s = ground.cpu_s() + cpu_s(worker)
        with stored_moments(ground.stack) as stored:
            answers = offer(ground, "sleeper", PER_S, SECONDS)
            ground.until(LIVE, 0)
        stack_s = ground.cpu_s() + cpu_s(worker) - before_s
        rows = {row[0]: row[1:] for row in ground.database.execute(ROWS)}
        batch = ground.one("SELECT avg(size)::float8 FROM jobs_batch")
    assert not answers["refused"]
    first = min(due for _, due, _, _ in answers["sent"]) + WARM_S
    sent = [row for row in answers["sent"] if row[1] >= first]
    waits = [stored[rows[job][0]] - due for job, due, _, _ in sent]
    yield at_most("p50, due to stored", percentile(waits, 0.5) * 1e3, 20, "ms")
    yield at_most("p99, due to stored", percentile(waits, 0.99) * 1e3, 41, "ms")
    yield _spread("due to finished_at", [rows[job][2] - due for job, due, _, _ in sent])
    yield _spread("due to 202", [answered - due for _, due, _, answered in sent])
    late = sum(at - due > LATE_S for _, due, at, _ in sent)
    yield Figure(f"sent more than {LATE_S * 1e3:.0f} ms late", f"{late} of {len(sent):,}")
    yield Figure("mean batch", f"{batch:.1f}")
    yield Figure("CPU of the stack", f"{stack_s / SECONDS:.2f} cores of {os.cpu_count()}")
    yield Figure("CPU of the client", f"{answers['cpu_s'] / SECONDS:.2f} cores")


def _spread(what: str, waits: Sequence[float]) -> Figure:
    parts = (f"p{share * 100:.0f} {percentile(waits, share) * 1e3:.1f}" for share in (0.5, 0.95, 0.99))
    return Figure(what, ", ".join(parts) + " ms")


def offer(ground: Bed, model: str, per_s: float, seconds: float, *, token: str = "") -> dict[str, Any]:
    """Send jobs from another process, as the stack's client or that of `token`; return its JSON."""
    info = ground.stack.info
    words = [sys.executable, "-m", "tests.benchmarks.poisson_client", info["api"], token or info["token"]]
    numbers = [model, *(str(number) for number in (per_s, seconds, SEED))]
    done = subprocess.run([*words, *numbers], cwd=PROJECT, check=True, capture_output=True, text=True)
    answers: dict[str, Any] = json.loads(done.stdout)
    return answers


@contextmanager
def stored_moments(stack: Stack) -> Iterator[dict[str, float]]:
    """Yield a dictionary that fills with the moment at which each batch's notification arrived."""
    moments, stop = dict[str, float](), Event()
    listener = Thread(target=_listen, args=(stack, moments, stop))
    listener.start()
    try:
        yield moments
    finally:
        stop.set()
        listener.join()


def _listen(stack: Stack, moments: dict[str, float], stop: Event) -> None:
    with psycopg.connect(stack.info["database"], autocommit=True) as connection:
        ((channel,),) = connection.execute(NAME, {"channel": SETTLED}).fetchall()
        connection.execute(f"LISTEN {channel}".encode())
        while not stop.is_set():
            for notice in connection.notifies(timeout=0.5):
                moments[notice.payload] = time.time()
