"""Postgres restarts, is killed, has no connection left, writes nothing, or holds an old snapshot."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from functools import partial
from threading import Event, Thread

import psycopg

from tests.chaos.faults.fault import Fault
from tests.chaos.faults.processes import killed
from tests.chaos.world import LOOK_S, World
from tests.support.churn import churn, open_snapshot
from tests.support.wait import wait_until

END_OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND application_name <> 'greedy'
"""
ROUNDS = 40  # of ending other connections and taking their places
READ_ONLY_S, FIRST_RESULT_S = 25.0, 10.0
WORKERS = ("gpu-worker-0", "gpu-worker-1")
RUNNING = "SELECT id::text, epoch FROM jobs_job WHERE state = 'running'"
# A worker that stores a failure of a roll-out's candidate gives the job to the stable version, and one that
# stores a step of a cascade sends its job on, or lets the answer before stand.
UNDER_THE_SAME_CLAIM = """
SELECT count(*) FROM unnest(%s::uuid[], %s::int[]) AS held(id, epoch) JOIN jobs_job job USING (id)
WHERE job.epoch = held.epoch OR job.state IN ('cancelled', 'expired') OR EXISTS (
  SELECT FROM jobs_event event
  WHERE event.job_id = job.id AND event.epoch = held.epoch AND event.kind IN ('rescue', 'escalate', 'degrade')
    AND event.actor = 'worker')
"""
RESULT_SINCE = "SELECT count(*) FROM chaos_history WHERE seq > %s AND kind = 'result'"
SNAPSHOT = "SELECT 1"  # no table: it would keep a lock, and some faults alter tables
REOPEN_S = 0.5
DEAD = 100_000
KEPT = "SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'jobs_outbox'"
A_JOB = "SELECT version_id, queue, client_id FROM jobs_job LIMIT 1"
CONSOLE = "a forgotten console"
BEHIND = """
SELECT coalesce(max(age(backend_xmin)), 0) FROM pg_stat_activity WHERE application_name = %s
"""


@contextlib.contextmanager
def exhausted(world: World) -> Iterator[None]:
    """End all other connections and take every place, so that none can come back."""
    with contextlib.ExitStack() as held:
        first = held.enter_context(
            psycopg.connect(world.database, autocommit=True, application_name="greedy")
        )
        for _ in range(ROUNDS):
            taken = _take_all(world, held)
            world.hit(taken, "connections taken")
            if not taken:
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
def read_only(world: World) -> Iterator[None]:
    """Let the server refuse every write; the workers keep what they have, and go on within seconds."""
    _submit_long(world)
    pids = {name: world.stack.pid(name) for name in WORKERS}
    held = world.rows(RUNNING)
    with _writing_refused(world):
        yield
        world.hit(len(held), "jobs in the workers' hands")
    healed, newest = time.monotonic(), world.newest()
    wait_until(lambda: world.rows(RESULT_SINCE, newest)[0][0], every_s=LOOK_S, what="a result")
    first_s = time.monotonic() - healed
    world.note(f"first result after {first_s:.1f} s")
    assert first_s <= FIRST_RESULT_S, f"the first result came {first_s:.1f} s after the database took writes"
    assert {name: world.stack.pid(name) for name in WORKERS} == pids, "a worker was started again"
    jobs, epochs = [job for job, _ in held], [epoch for _, epoch in held]
    ((kept,),) = world.rows(UNDER_THE_SAME_CLAIM, jobs, epochs)
    assert kept == len(held), f"{len(held) - kept} of {len(held)} running jobs were taken from their workers"


def _submit_long(world: World) -> None:
    """Post jobs that run for seconds, and wait until some do."""
    newest = world.newest()
    world.submit("sleeper:slow", [{"n": world.fresh()} for _ in range(120)], priority=9)
    wait_until(lambda: world.moved_since(newest, "queued", "running"), every_s=LOOK_S, what="a job that runs")


@contextlib.contextmanager
def _writing_refused(world: World) -> Iterator[None]:
    with _writer(world) as connection:
        connection.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        connection.execute("SELECT pg_reload_conf()")
        try:
            wait_until(lambda: _refuses(world), every_s=LOOK_S, what="a database that refuses writes")
            yield
        finally:
            connection.execute("ALTER SYSTEM RESET default_transaction_read_only")
            connection.execute("SELECT pg_reload_conf()")


def _writer(world: World) -> psycopg.Connection:
    return psycopg.connect(world.database, autocommit=True, options="-c default_transaction_read_only=off")


def _refuses(world: World) -> bool:
    return world.rows("SHOW default_transaction_read_only") == [("on",)]


@contextlib.contextmanager
def snapshot_held(world: World) -> Iterator[None]:
    """Keep a snapshot of now open in a foreign session: no dead row can be removed."""
    enough, opened = Event(), Event()
    thread = Thread(target=_hold_snapshot, args=(world, enough, opened), daemon=True)
    thread.start()
    try:
        assert opened.wait(30), "no snapshot could be opened"
        yield
    finally:
        ((behind,),) = world.rows(BEHIND, CONSOLE)
        world.hit(behind, "transactions after the snapshot")
        enough.set()
        thread.join(30)


def _hold_snapshot(world: World, enough: Event, opened: Event) -> None:
    """Hold a snapshot until `enough`; open another one where a fault ended the session."""
    while not enough.is_set():
        with (
            contextlib.suppress(psycopg.Error),
            psycopg.connect(world.database, application_name=CONSOLE) as connection,
        ):
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.execute(SNAPSHOT)
            opened.set()
            while not enough.wait(REOPEN_S):
                connection.execute("SELECT 1")
        enough.wait(REOPEN_S)


@contextlib.contextmanager
def snapshot(world: World) -> Iterator[None]:
    """Keep a snapshot open while the rows of some minutes' jobs die in the queue under load."""
    a_job = wait_until(lambda: world.rows(A_JOB), every_s=LOOK_S, what="a job")
    ((version, queue, client),) = a_job
    with open_snapshot(world.database):
        churn(world.database, DEAD, version=version, clients=[client], queue=queue)
        ((dead,),) = world.rows(KEPT)
        assert dead >= DEAD, f"the snapshot keeps {dead} dead rows of {DEAD}"
        world.hit(dead, "dead rows kept")
        yield


FAULTS = (
    Fault("postgres restarted", partial(killed, name="postgres", number=signal.SIGINT)),
    Fault("postgres killed", partial(killed, name="postgres")),
    Fault("connections exhausted", exhausted, 12.0),
    Fault("read-only database", read_only, READ_ONLY_S),
    Fault("open snapshot", snapshot, 15.0),
    Fault("snapshot open for the whole round", snapshot_held, lasts=True),
)
