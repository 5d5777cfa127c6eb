"""A failover that loses the last commits: an asynchronous standby is promoted some commits behind."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg

from tests.chaos.faults.fault import Fault, NothingHitError
from tests.chaos.faults.processes import LONG
from tests.chaos.wiring import PAIRS
from tests.chaos.world import LOOK_S, World
from tests.support.proxy import Mode
from tests.support.standby import Standby
from tests.support.wait import wait_until

BEHIND_S = 1.2
PROGRAM_PAIRS = tuple(pair for pair in PAIRS if pair.endswith("-postgres"))
STATES = "SELECT id::text, state, epoch FROM jobs_job"
OTHERS = """
SELECT count(*) FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND state = 'active'
"""
States = dict[str, tuple[str, int]]


@contextlib.contextmanager
def commits_lost(world: World) -> Iterator[None]:
    """Lose the host of the primary, and let a standby in its place that has not seen its last commits.

    The jobs that only the lost primary knew are recorded as forgotten: their 202 went with its commits.
    """
    home = world.stack.run_dir / "postgres" / "data"
    world.submit("sleeper:slow", [{"n": world.fresh()} for _ in range(120)], priority=9)
    with Standby(world.stack.run_dir / "standby", world.database) as standby:
        sender = psutil.Process(standby.sender())
        sender.suspend()
        world.submit(LONG, [{"n": world.fresh()} for _ in range(20)])  # answered, and never replicated
        time.sleep(BEHIND_S)
        with _cut(world):
            last = _last_states(world)
            standby.promote()
            before = _states(standby.url)
            standby.ask_to_stop()
            standby.finish()
            _replace(world, home, standby.data, sender)
            wait_until(lambda: _answers(world), every_s=LOOK_S, what="the promoted standby")
    _record(world, last, before)
    yield


@contextlib.contextmanager
def _cut(world: World) -> Iterator[None]:
    """Let no program reach the database."""
    for pair in PROGRAM_PAIRS:
        world.network.turn(pair, Mode.CUT)
    try:
        yield
    finally:
        for pair in PROGRAM_PAIRS:
            world.network.turn(pair, Mode.OPEN)


def _last_states(world: World) -> States:
    """Return the jobs of the primary, which gets no more of them, once the last statements have ended."""
    wait_until(lambda: world.rows(OTHERS) == [(0,)], every_s=LOOK_S, what="the end of all statements")
    return _states(world.database)


def _states(url: str) -> States:
    with psycopg.connect(url) as connection:
        return {job: (state, epoch) for job, state, epoch in connection.execute(STATES)}


def _replace(world: World, home: Path, promoted: Path, sender: psutil.Process) -> None:
    """Kill the primary with all its processes; the supervisor starts the promoted copy in its place."""
    postmaster = psutil.Process(world.stack.pid("postgres"))
    postmaster.suspend()
    children = postmaster.children(recursive=True)
    for child in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    home.rename(home.with_name(f"lost-{postmaster.pid}"))
    promoted.rename(home)
    (home / "postmaster.pid").unlink(missing_ok=True)
    postmaster.kill()
    psutil.wait_procs([*children, sender], timeout=10)


def _answers(world: World) -> bool:
    with contextlib.suppress(psycopg.OperationalError), psycopg.connect(world.database) as connection:
        return connection.execute("SELECT pg_is_in_recovery()").fetchone() == (False,)
    return False


def _record(world: World, last: States, before: States) -> None:
    forgotten = sorted(last.keys() - before.keys())
    rewound = [job for job, state in before.items() if last[job] != state]
    if not forgotten and not rewound:
        raise NothingHitError("the standby had every commit")
    world.recorder.write("forgotten", jobs=forgotten)
    world.hit(len(forgotten), "jobs forgotten")
    world.hit(len(rewound), "jobs set back")
    stranded = [job for job in rewound if before[job][0] == "running"]
    world.hit(len(stranded), "of them to running")


FAULTS = (Fault("failover with lost commits", commits_lost),)
