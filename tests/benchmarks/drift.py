"""What sampling for drift costs a worker: of a core, and of the CPU that the same worker spends meanwhile.

A version is watched in all ways: numbers, a text, a vector of 384 numbers in and out, confidence and label.
The thread of samples counts its own time; what the settle stage does for it is measured by itself, without a
stack. DRIFT_SECONDS says for how long there are jobs.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from statistics import median
from threading import Event
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest.mock import Mock
from uuid import UUID, uuid4

import django
import httpx
import psutil

from tests.benchmarks.bed import Bed, bed, cpu_s
from tests.benchmarks.figure import Figure, at_least, at_most
from tests.support.app import register
from tests.support.services import use_placeholders

SECONDS = float(os.environ.get("DRIFT_SECONDS", "40"))
WORKER = "gpu-worker-0"
MOST_PERCENT = 2.0
LEAST_AN_HOUR = 1_000  # some sixty are enough to see a shift of one deviation
MONITOR = {
    "inputs": ["/age", "/text", "/vector"], "confidence": "/sure", "label": "/label", "vector": "/vector",
}  # fmt: skip
ENDED = "SELECT count(*) FROM jobs_job WHERE state = 'succeeded'"
BATCH, BATCHES = 32, 2_000
# Jobs a second that are sent: fewer than are sampled, and as many as the stack takes.
RATES = {"15 jobs a second": 15, "as many as it takes": 0}


class Use(NamedTuple):
    """CPU seconds of the worker and of its samples, and samples that were read."""

    worker_s: float
    samples_s: float
    read: float


def measure() -> Iterator[Figure]:
    with bed("drift", ("web", "stream", "relay", WORKER)) as ground:
        register(ground.stack, "echo", "watched", "echo", monitor=MONITOR)
        for name, rate in RATES.items():
            yield from _under_load(ground, name, rate)
    yield from _offering()


def _under_load(ground: Bed, name: str, rate: int) -> Iterator[Figure]:
    _send(ground, 20)
    before, began, jobs = _use(ground), time.monotonic(), ground.one(ENDED)
    while (passed_s := time.monotonic() - began) < SECONDS:
        _send(ground, rate or 500)
        if rate:
            time.sleep(max(0.0, 1.0 - (time.monotonic() - began - passed_s)))
    after, passed_s = _use(ground), time.monotonic() - began
    done = ground.one(ENDED) - jobs
    samples_s, worker_s = after.samples_s - before.samples_s, after.worker_s - before.worker_s
    read = after.read - before.read
    what = f"{name}: samples read an hour, of {3_600 * done / passed_s:,.0f} jobs"
    yield at_least(what, 3_600 * read / passed_s, LEAST_AN_HOUR)
    yield Figure(f"{name}: time for each of them", f"{1e6 * samples_s / max(read, 1):.0f} us")
    yield at_most(f"{name}: of a core", 100 * samples_s / passed_s, MOST_PERCENT, "%")
    what = f"{name}: of what the worker used, {100 * worker_s / passed_s:.0f} % of a core"
    yield at_most(what, 100 * samples_s / worker_s, MOST_PERCENT, "%")


def _send(ground: Bed, count: int) -> None:
    vector = [round(0.001 * number, 3) for number in range(384)]
    value = {"age": 47, "text": "a sentence of some words", "vector": vector, "sure": 0.93, "label": "cat"}
    ground.bulk("echo:watched", count, value)


def _use(ground: Bed) -> Use:
    page = httpx.get(ground.stack.info["metrics_pages"][WORKER], trust_env=False).raise_for_status().text
    lines = [line.rpartition(" ") for line in page.splitlines() if not line.startswith("#")]
    values = {name: float(value) for name, _, value in lines}
    read = sum(value for name, value in values.items() if "drift_sampled" in name and '"read"' in name)
    process = psutil.Process(ground.stack.pid(WORKER))
    return Use(cpu_s(process), values.get("inference_drift_cpu_seconds_total", 0.0), read)


def _offering() -> Iterator[Figure]:
    """Measure what the settle stage does after each batch of 32 jobs, watched and not."""
    use_placeholders()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "inference_site.settings")
    django.setup()
    from jobs.core.batching.sealed_batch import SealReason
    from jobs.core.failures import Success
    from jobs.services.lifecycle.claim import Claimed
    from jobs.services.lifecycle.settle import Verdict
    from jobs.worker.drift.drift_sampler import DriftSampler
    from jobs.worker.stages.claimed_batch import ClaimedBatch
    from models_registry.core.options import PlatformOptions

    for name, monitor in (("watched", MONITOR), ("not watched", {})):
        jobs = [Claimed(uuid4(), 1, 1, 3, b"{}", None) for _ in range(BATCH)]
        batch = ClaimedBatch(uuid4(), 7, 1, SealReason.IDLE, [], jobs=jobs, model="echo")
        info: Any = SimpleNamespace(platform_options=PlatformOptions.of({"monitor": monitor}))
        batch.loaded = SimpleNamespace(info=info)  # type: ignore[assignment]  # all that is read
        verdicts = [Verdict(job.job, 1, Success(b"{}")) for job in jobs]
        sampler = DriftSampler(Mock(), UUID(int=1), stop=Event())
        sampler.claimed(batch)
        times = list[float]()
        for _ in range(BATCHES):
            began = time.perf_counter()
            sampler.offer(batch, verdicts)
            times.append(time.perf_counter() - began)
        yield Figure(
            f"settle stage, {name}: a job of a batch of {BATCH}", f"{1e6 * median(times) / BATCH:.3f} us"
        )
