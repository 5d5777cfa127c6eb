"""Bulk calls from the first POST to the last stored result, with the CPU by process and by statement.

One client posts BULK_JOBS (20,000) jobs, ten thousand a call, while one worker runs them:
`sleeper`, whose device takes 5 ms and 0.1 ms an item, and `echo`, which takes no time.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import psutil

from tests.benchmarks.bed import Bed, cpu_s, whole_bed
from tests.benchmarks.costly_statements import costly_statements, forget_statements
from tests.benchmarks.figure import Figure, at_least, at_most
from tests.benchmarks.processes import snapshot

JOBS = int(os.environ.get("BULK_JOBS", "20000"))
WARM_JOBS = 2_000
GOALS_PER_S = {"sleeper": 4_200, "echo": 5_000}
CPU_MS = 0.5
LIVE = "SELECT count(*) FROM jobs_job WHERE state <> 'succeeded'"
LAST = "SELECT extract(epoch FROM max(finished_at))::float8 FROM jobs_job"
WAL = "SELECT pg_current_wal_insert_lsn() - '0/0'"
MEAN_BATCH = "SELECT avg(size)::float8 FROM jobs_batch WHERE claimed_at >= to_timestamp({since!r})"


def measure() -> Iterator[Figure]:
    with whole_bed("bulk") as ground:
        for model in GOALS_PER_S:
            ground.bulk(model, WARM_JOBS, {})
            ground.until(LIVE, 0)
            yield from _stored(ground, model)


def _stored(ground: Bed, model: str) -> Iterator[Figure]:
    forget_statements(ground)
    wal, own_s = ground.one(WAL), cpu_s(psutil.Process())
    before, since = snapshot(ground), time.time()
    ground.bulk(model, JOBS, {})
    posted_s, client_s = time.time() - since, cpu_s(psutil.Process()) - own_s
    ground.until(LIVE, 0)
    spent, wal = before.until(snapshot(ground)), ground.one(WAL) - wal
    yield at_least(
        f"{model}, POST to stored", JOBS / (ground.one(LAST) - since), GOALS_PER_S[model], "jobs/s"
    )
    yield at_most(f"{model}, CPU of all processes", spent.total_s / JOBS * 1e3, CPU_MS, "ms a job")
    yield Figure("   all calls answered after", f"{posted_s:.2f} s")
    yield Figure("   mean batch", f"{ground.one(MEAN_BATCH.format(since=since)):.1f}")
    yield Figure("   log written", f"{float(wal) / JOBS:,.0f} bytes a job")
    yield from spent.figures(model, JOBS, client_s)
    yield from costly_statements(ground, JOBS)
