"""A transaction stays open elsewhere, and dead rows pile up: `sleeper` at 100 a second, without and with it.

Half an hour at 500 a second is made in bulk: HORIZON_ROWS outbox rows are stored, published and claimed while
the snapshot is open. The default is short; half an hour is 900,000.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from jobs.management.demo.figures import percentile
from tests.benchmarks.bed import Bed, bed
from tests.benchmarks.figure import Figure, at_most
from tests.benchmarks.poisson import LIVE, ROWS, offer, stored_moments
from tests.support.churn import churn, open_snapshot

ROWS_CHURNED = int(os.environ.get("HORIZON_ROWS", "100000"))
PER_S, SECONDS, WARM_S = 100, 10, 2
VERSION = "SELECT version_id, client_id FROM jobs_job LIMIT 1"
DEAD = "SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'jobs_outbox'"


def measure() -> Iterator[Figure]:
    with bed("horizon", ("web", "relay")) as ground, ground.worker("sleeper"):
        ground.bulk("sleeper", 1, {})
        ground.until(LIVE, 0)
        before = _waits(ground)
        with open_snapshot(ground.stack.info["database"]):
            version, client = ground.one(VERSION)
            database = ground.stack.info["database"]
            churn(database, ROWS_CHURNED, version=version, clients=[client], queue="sleeper")
            ground.one("SELECT pg_stat_force_next_flush()")
            dead = ground.one(DEAD)
            during = _waits(ground)
    yield Figure("dead rows of the outbox", f"{dead:,} of {ROWS_CHURNED:,} jobs")
    for name, waits in (("without", before), ("with", during)):
        parts = (f"p{share * 100:.0f} {percentile(waits, share) * 1e3:.1f}" for share in (0.5, 0.95, 0.99))
        yield Figure(f"due to stored, {name} a snapshot", ", ".join(parts) + " ms")
    yield at_most("p50 with over p50 without", percentile(during, 0.5) / percentile(before, 0.5), 2)


def _waits(ground: Bed) -> list[float]:
    """Offer jobs; return the seconds from the moment when each was due to be sent to its stored result."""
    with stored_moments(ground.stack) as stored:
        answers = offer(ground, "sleeper", PER_S, SECONDS)
        ground.until(LIVE, 0)
    rows = {row[0]: row[1] for row in ground.database.execute(ROWS)}
    first = min(due for _, due, _, _ in answers["sent"]) + WARM_S
    return [stored[rows[job]] - due for job, due, _, _ in answers["sent"] if due >= first]
