"""20,000 queued `sleeper` jobs, one worker: from RabbitMQ to stored results."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import count

import psutil

from models_registry.loaders.builtin import sleeper
from tests.benchmarks.bed import Bed, Samples, bed, cpu_s
from tests.benchmarks.figure import Figure, at_least, at_most
from tests.support.wait import wait_until

JOBS, BATCH = 20_000, 64
LIVE = "SELECT count(*) FROM jobs_job WHERE state <> 'succeeded'"
UNPUBLISHED = "SELECT count(*) FROM jobs_outbox WHERE published = 0"
SPAN = """
SELECT extract(epoch FROM min(started_at))::float8, extract(epoch FROM max(finished_at))::float8 FROM jobs_job
"""


def measure() -> Iterator[Figure]:
    with bed("drain", ("web", "relay"), env={"QUEUE_DEPTH": str(JOBS + 5_000)}) as ground:
        before, own = ground.cpu_s(), cpu_s(psutil.Process())
        ground.bulk("sleeper", JOBS, {})
        own = cpu_s(psutil.Process()) - own
        ground.until(UNPUBLISHED, 0)
        with ground.worker("sleeper") as worker:
            samples = Samples(lambda: cpu_s(worker))
            _watch(ground, samples)
            start, end = ground.one(SPAN)
            worker_s = samples.at(end) - samples.at(start)
        others_s = ground.cpu_s() - before
        yield at_least("drained", JOBS / (end - start), 3_500, "jobs/s")
        yield at_least("of the ceiling, measured beside it", JOBS / (end - start) / ceiling_per_s(), 0.9)
        yield at_least("mean batch, of 64", ground.one("SELECT avg(size)::float8 FROM jobs_batch"), 48)
        yield at_most("CPU of the worker, first claim to last result", worker_s / JOBS * 1e3, 0.25, "ms/job")
        total_s = own + others_s + worker_s
        yield at_most(
            "CPU of all processes, the client's bulk call included", total_s / JOBS * 1e3, 1.0, "ms/job"
        )


def ceiling_per_s() -> float:
    """Return what the device alone does: full batches, one after another, and nothing else."""
    runner = sleeper({}, "cpu")
    batch, batches = list(range(BATCH)), 100
    started = time.perf_counter()
    for _ in range(batches):
        runner.run(batch)
    return batches * BATCH / (time.perf_counter() - started)


def _watch(ground: Bed, samples: Samples) -> None:
    """Sample every 10 ms until no job is live, and once more; query the database at each 20th sample."""
    numbers = count()

    def none_is_live() -> bool:
        samples.take()
        return next(numbers) % 20 == 0 and ground.one(LIVE) == 0

    wait_until(none_is_live, limit_s=300, every_s=0.01, what=lambda: f"the end of {ground.one(LIVE)} jobs")
    samples.take()
