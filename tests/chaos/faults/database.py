"""Postgres restarts, is killed, or has no connection left."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from functools import partial

import psycopg

from tests.chaos.faults.fault import Fault
from tests.chaos.faults.processes import killed
from tests.chaos.world import World
from tests.support.churn import churn, open_snapshot

END_OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND application_name <> 'greedy'
"""
DEAD = 100_000
KEPT = "SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'jobs_outbox'"
ROUNDS = 40  # of ending other connections and taking their places


@contextlib.contextmanager
def exhausted(world: World) -> Iterator[None]:
    """End all other connections and take every place, so that none can come back."""
    with contextlib.ExitStack() as held:
        first = held.enter_context(
            psycopg.connect(world.database, autocommit=True, application_name="greedy")
        )
        for _ in range(ROUNDS):
            if not _take_all(world, held):
                break
            first.execute(END_OTHERS)
        yield


def _take_all(world: World, held: contextlib.ExitStack) -> int:
    """Connect until the server refuses; return how many connections it gave."""
    count = 0
    with contextlib.suppress(psycopg.OperationalError):
        while True:
            held.enter_context(psycopg.connect(world.database, autocommit=True, application_name="greedy"))
            count += 1
    return count


@contextlib.contextmanager
def snapshot(world: World) -> Iterator[None]:
    """Keep a snapshot open while the rows of some minutes' jobs die in the queue under load."""
    with open_snapshot(world.database):
        ((version, queue, client),) = world.rows("SELECT version_id, queue, client_id FROM jobs_job LIMIT 1")
        churn(world.database, DEAD, version=version, clients=[client], queue=queue)
        ((dead,),) = world.rows(KEPT)
        assert dead >= DEAD, f"the snapshot keeps {dead} dead rows of {DEAD}"
        yield


FAULTS = (
    Fault("postgres restarted", partial(killed, name="postgres", number=signal.SIGINT)),
    Fault("postgres killed", partial(killed, name="postgres")),
    Fault("connections exhausted", exhausted, 12.0),
    Fault("open snapshot", snapshot, 15.0),
)
