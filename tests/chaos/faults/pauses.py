"""A process is stopped in the middle of what it does, as a paused machine is, and wakes later."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import psutil

from inference_site.stack.leash import death_words
from inference_site.stack.services import PROJECT
from tests.chaos import audit
from tests.chaos.faults.fault import Fault, NothingHitError
from tests.chaos.faults.processes import PAUSED
from tests.chaos.world import LIMIT_S, LOOK_S, World
from tests.support.wait import wait_until

LINK = "worker-postgres"
PAUSE_S, P99_S, LOAD = 30.0, 15.0, 0.4
SLOW_S, STILL_S, TRY_S, TICK_S = 0.5, 0.7, 45.0, 0.01
LONGEST_OPEN_S = 10.0  # in the server, of a transaction whose client is stopped
TAKE_OVER_S, PAST_LEASE_S = 10.0, 15.0
SESSIONS = """
SELECT pid, query, xact_start::text, state FROM pg_stat_activity
WHERE client_port = ANY(%s) AND query ~ %s AND (%s = (xact_start IS NOT NULL))
"""
STILL_OPEN = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND xact_start::text = %s"
HOLDERS = "SELECT id::text FROM jobs_leaseholder WHERE label LIKE %s"
LEASES = """
SELECT lease.name FROM jobs_lease lease JOIN jobs_leaseholder holder ON holder.id = lease.holder
WHERE holder.label LIKE %s
"""
BACKENDS = "SELECT pid FROM pg_stat_activity WHERE client_port = ANY(%s)"
TOUCHED = "SELECT place, count(*) FROM chaos_touched GROUP BY place"


@dataclass(frozen=True)
class Moment:
    """What a worker is doing: `query` is the pattern of the statement that its session sent last."""

    query: str
    open: bool = True  # its transaction is under way
    stopping: bool = False  # the worker was asked to end


MOMENTS = {
    "its claim": Moment(r"AS message\(id, epoch"),
    "its settle": Moment(r"AS verdict\(id, epoch, state|SET finished_at = CASE WHEN|'failed', 'worker'"),
    "its farewell": Moment(
        r"AS held\(id, epoch\)|released = released|UPDATE jobs_worker SET ended_at", stopping=True
    ),
    "its heartbeat": Moment(r"^\s*SELECT clock_timestamp\(\)", open=False),
}


@dataclass(frozen=True)
class Caught:
    """A session of a stopped process, in the middle of its work."""

    pid: int
    since: str | None


@contextlib.contextmanager
def stopped_inside(world: World, *, moment: Moment, name: str = PAUSED) -> Iterator[None]:
    """Stop a worker at this moment; no transaction of it stays open for long."""
    pid = world.stack.pid(name)
    process = psutil.Process(pid)
    with _slowed(world, process):
        if moment.stopping:
            process.terminate()
        caught = _catch(world, process, moment)
    try:
        if caught is None:
            raise NothingHitError(f"{name} was never seen inside")
        world.hit(1, "session caught")
        world.since = time.time()
        _see_it_end(world, caught)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
        if moment.stopping:
            world.stack.wait_restarted(name, old_pid=pid)


def _see_it_end(world: World, caught: Caught) -> None:
    if caught.since is None:
        return
    began = time.monotonic()
    wait_until(
        lambda: world.rows(STILL_OPEN, caught.pid, caught.since) == [(0,)],
        limit_s=LONGEST_OPEN_S, every_s=LOOK_S, what="the end of the stopped worker's transaction",
    )  # fmt: skip
    world.note(f"locks gone after {time.monotonic() - began:.1f} s")


@contextlib.contextmanager
def _slowed(world: World, process: psutil.Process) -> Iterator[None]:
    """Let every answer to the process take its time, so that each transaction is open for a while."""
    clients = {connection.laddr.port for connection in process.net_connections("tcp")}
    world.network.slow_clients(LINK, clients, SLOW_S)
    try:
        yield
    finally:
        world.network.slow_clients(LINK, clients, 0.0)


def _catch(world: World, process: psutil.Process, moment: Moment) -> Caught | None:
    """Stop and continue the process until it stands at this moment; None where the time is over."""
    until = time.monotonic() + TRY_S
    while time.monotonic() < until and process.is_running():
        ports = _ports(world, process, LINK)
        if not world.rows(SESSIONS, ports, moment.query, moment.open):
            time.sleep(TICK_S)
            continue
        process.suspend()
        time.sleep(STILL_S)  # what was on its way has arrived
        stands = world.rows(SESSIONS, ports, moment.query, moment.open)
        if stands:
            return Caught(stands[0][0], stands[0][2])
        process.resume()
    return None


def _ports(world: World, process: psutil.Process, link: str) -> list[int]:
    """Return the ports that the server sees of the process's connections over a link."""
    seen = world.network.server_ports(link)
    own = [c.laddr.port for c in process.net_connections("tcp") if c.raddr]
    return [seen[port] for port in own if port in seen]


@contextlib.contextmanager
def relay_past_its_lease(world: World) -> Iterator[None]:
    """Stop a relay beside another one, which takes over; the first one wakes and changes nothing."""
    first = world.stack.pid("relay")
    with _second_relay(world, first) as second:
        leases = wait_until(lambda: world.rows(LEASES, _label(first)), what="leases of the first relay")
        names = {name for (name,) in leases}
        holders = {holder for (holder,) in world.rows(HOLDERS, _label(first))}
        ports = _ports(world, psutil.Process(first), "relay-postgres")
        with _watched(world, ports) as touched:
            os.kill(first, signal.SIGSTOP)
            try:
                _wait_taken_over(world, names, second)
                world.hit(len(names), "leases taken over")
                yield
                touched(forget=True)
            finally:
                os.kill(first, signal.SIGCONT)
            _wait_registered_again(world, first, holders)
            assert touched() == {}, f"the relay that woke changed rows: {touched()}"


def _label(pid: int) -> str:
    return f"%:{pid}"


@contextlib.contextmanager
def _second_relay(world: World, first: int) -> Iterator[int]:
    """Run another relay, and wait until it holds leases."""
    environment = psutil.Process(first).environ()
    words = [*death_words(signal.SIGKILL), sys.executable, "manage.py", "relay"]
    with (world.stack.run_dir / "log" / "relay-second.log").open("ab") as log:
        relay = subprocess.Popen(words, env=environment, cwd=PROJECT, stdout=log, stderr=log)
    try:
        wait_until(
            lambda: world.rows(LEASES, _label(relay.pid)),
            limit_s=LIMIT_S, every_s=LOOK_S, what="leases of the second relay",
        )  # fmt: skip
        yield relay.pid
    finally:
        relay.terminate()
        try:
            relay.wait(30)
        except subprocess.TimeoutExpired:
            relay.kill()
            relay.wait()


def _wait_taken_over(world: World, names: set[str], second: int) -> None:
    began = time.monotonic()
    wait_until(
        lambda: names <= {name for (name,) in world.rows(LEASES, _label(second))},
        limit_s=TAKE_OVER_S, every_s=LOOK_S, what=f"{len(names)} leases of the stopped relay taken over",
    )  # fmt: skip
    world.note(f"taken over after {time.monotonic() - began:.1f} s")


def _wait_registered_again(world: World, pid: int, before: set[str]) -> None:
    wait_until(
        lambda: {holder for (holder,) in world.rows(HOLDERS, _label(pid))} - before,
        limit_s=LIMIT_S, every_s=LOOK_S, what="the first relay in office again",
    )  # fmt: skip


@contextlib.contextmanager
def _watched(world: World, ports: Sequence[int]) -> Iterator[partial[dict[str, int]]]:
    """Record which tables the present sessions of these ports change; what is given returns them."""
    with world.connection() as connection:
        connection.execute("TRUNCATE chaos_suspect, chaos_touched")
        connection.execute(f"INSERT INTO chaos_suspect {BACKENDS}", (list(ports),))
    audit.watch(world.database, on=True)
    try:
        yield partial(_touched, world)
    finally:
        audit.watch(world.database, on=False)


def _touched(world: World, *, forget: bool = False) -> dict[str, int]:
    if forget:
        with world.connection() as connection:
            connection.execute("TRUNCATE chaos_touched")
    return {re.sub("^jobs_", "", place): count for place, count in world.rows(TOUCHED)}


FAULTS = (
    *(
        Fault(
            f"worker paused in {what}",
            partial(stopped_inside, moment=moment),
            PAUSE_S,
            p99_s=P99_S,
            load=LOAD,
        )
        for what, moment in MOMENTS.items()
    ),
    Fault("relay paused past its lease", relay_past_its_lease, PAST_LEASE_S - TAKE_OVER_S),
)
