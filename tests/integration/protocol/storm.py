"""What both storms share: their length, queries, the wait for the end, counts that must be 0 after it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

from jobs.db.engine import engine
from tests.integration.protocol.world import World
from tests.support.wait import wait_until

LIVE = "SELECT count(*) FROM jobs_job WHERE state IN ('queued', 'waiting', 'running')"
STATES = "SELECT state, count(*) FROM jobs_job GROUP BY 1"
# Counts that are 0 after a storm.
WRONG = {
    "succeeded without one result": "SELECT count(*) FROM jobs_job j WHERE state = 'succeeded' AND"
    " (SELECT count(*) FROM jobs_jobresult r WHERE r.job_id = j.id AND r.epoch = j.epoch) <> 1",
    "a result without success": "SELECT count(*) FROM jobs_jobresult r JOIN jobs_job j ON j.id = r.job_id"
    " WHERE j.state <> 'succeeded'",
    "dead without a dead letter": "SELECT count(*) FROM jobs_job j WHERE state = 'dead'"
    " AND NOT EXISTS (SELECT FROM jobs_deadletter d WHERE d.job_id = j.id AND d.epoch = j.epoch)",
    "a dead letter without death": "SELECT count(*) FROM jobs_deadletter d"
    " JOIN jobs_job j ON j.id = d.job_id WHERE j.state <> 'dead'",
    "an outbox row": "SELECT count(*) FROM jobs_outbox",
}


def rows(query: str) -> list[Any]:
    """Return a query's rows."""
    with engine().begin() as connection:
        return list(connection.execute(sa.text(query)))


def rage(world: World, least_s: float, limit_s: float, missing: Callable[[], object]) -> None:
    """Let a storm go on for `least_s`, and until nothing is missing; a danger that never came is not tested.

    How often a danger occurs depends on chance and on the machine; that each occurs must not.
    """
    least_end_s = time.monotonic() + least_s
    wait_until(
        lambda: world.errors or (time.monotonic() >= least_end_s and not missing()),
        limit_s=limit_s,
        every_s=0.1,
        what=lambda: f"these dangers in the storm: {missing()}",
    )


def wait_until_all_ended(world: World, limit_s: float) -> None:
    """Wait until no job is live, or a thread of the world has failed."""
    wait_until(
        lambda: rows(LIVE) == [(0,)] or world.errors,
        limit_s=limit_s,
        every_s=0.1,
        what=lambda: f"the end of every job; there are {rows(STATES)}",
    )


def nonzero(counts: Mapping[str, str]) -> dict[str, int]:
    """Run queries that count; return by name what is not 0."""
    return {name: count for name, query in counts.items() if (count := rows(query)[0][0])}
