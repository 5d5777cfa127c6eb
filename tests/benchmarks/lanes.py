"""Fast jobs at 40 a second on a worker of two lanes, alone, and beside 10,000 slow jobs of the same model.

Both versions sleep, so neither takes the processor from the other: what is measured is who waits for whom. A
batch of 64 slow jobs takes 2.3 s. A job's time runs from when its POST was due to the commit of its result.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from jobs.core.queue_names import slow_queue
from jobs.management.demo.figures import percentile
from tests.benchmarks.bed import Bed, bed
from tests.benchmarks.figure import Figure, at_least, at_most
from tests.benchmarks.poisson import offer, stored_moments
from tests.support import app

MODEL, LANES, SLOW_JOBS = "laned", 2, 10_000
PER_S, SECONDS, WARM_S = 40, 23, 3
JUDGED = f"SELECT slow_from <> '{{}}' FROM jobs_queuestanding WHERE queue = '{MODEL}'"
WAITING = f"SELECT count(*) FROM jobs_outbox WHERE queue = '{slow_queue(MODEL)}'"
LIVE = "SELECT count(*) FROM jobs_job WHERE state <> 'succeeded'"
RUNS = "SELECT count(*) > 0 FROM jobs_batch WHERE slow AND finished_at IS NULL"
ENDED = "SELECT COALESCE(sum(succeeded), 0)::int FROM jobs_batch WHERE slow"
ROWS = "SELECT j.id::text, 'batch:' || batch_id FROM jobs_job j"


def measure() -> Iterator[Figure]:
    with bed("lanes", ("web", "relay")) as ground:
        _register(ground, "fast", 16, "--alias", "default", base_s=0.02, per_item_s=0.001)
        _register(ground, "slow", 64, base_s=1.0, per_item_s=0.02, lane="slow")
        ground.until(JUDGED, value=True)
        with ground.worker(MODEL, lanes=LANES):
            for version in ("fast", "slow"):  # until then the worker starts
                ground.bulk(f"{MODEL}:{version}", 1, {})
            ground.until(LIVE, 0)
            alone = _offered(ground)
            ground.bulk(f"{MODEL}:slow", SLOW_JOBS, {})
            ground.until(RUNS, value=True)
            before, load = ground.one(ENDED), os.getloadavg()[0]
            beside = _offered(ground)
            waiting, ended = ground.one(WAITING), ground.one(ENDED) - before
    for name, waits in (("alone", alone), ("beside slow jobs", beside)):
        parts = (f"p{share * 100:.0f} {percentile(waits, share) * 1e3:.1f}" for share in (0.5, 0.95, 0.99))
        yield Figure(f"fast jobs {name}", ", ".join(parts) + " ms")
    yield Figure("slow jobs that ended meanwhile", f"{ended:,}, load {load:.1f}")
    yield at_least("slow jobs that still wait at the end", waiting, 1)
    yield at_most("p99, beside slow jobs over alone", percentile(beside, 0.99) / percentile(alone, 0.99), 1.5)


def _register(ground: Bed, version: str, max_batch: int, *words: str, **options: Any) -> None:
    app.register(ground.stack, MODEL, version, "sleeper", "--max-batch", str(max_batch), *words, **options)


def _offered(ground: Bed) -> list[float]:
    with stored_moments(ground.stack) as stored:
        answers: dict[str, Any] = offer(ground, MODEL, PER_S, SECONDS)
        ids = [job for job, *_ in answers["sent"]]
        live = f"SELECT count(*) FROM jobs_job WHERE id = ANY('{{{','.join(ids)}}}') AND state <> 'succeeded'"
        ground.until(live, 0)
    batches: dict[str, str] = dict(ground.database.execute(ROWS).fetchall())
    first = min(due for _, due, _, _ in answers["sent"]) + WARM_S
    return [stored[batches[job]] - due for job, due, _, _ in answers["sent"] if due >= first]
