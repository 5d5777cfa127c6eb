"""What is killed, for how long, and what it must have met."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from jobs.broker.topology import queue_name
from jobs.db.leases import LEASE_S
from tests.smoke.addresses import NODES, RELAYS
from tests.smoke.world import BUSIEST, LIMIT_S, LOOK_S, World
from tests.smoke.zones import ZONES, zone_of
from tests.support.wait import wait_until

PAST_LEASE_S = 2 * LEASE_S
WORKER = "gpu-worker"
IN_HANDS = """
SELECT coalesce(sum(size), 0) FROM jobs_batch batch JOIN jobs_worker worker ON worker.id = batch.worker_id
WHERE batch.finished_at IS NULL AND worker.ended_at IS NULL AND worker.pid = %s
"""
NEWEST = "SELECT coalesce(max(seq), 0) FROM chaos_history"
TAKEN_BACK = "SELECT count(*) FROM chaos_history WHERE seq > %s AND before = 'running' AND after = 'queued'"
FED_BY = """
SELECT holder.label FROM jobs_lease lease JOIN jobs_leaseholder holder ON holder.id = lease.holder
WHERE lease.name = %s AND holder.label LIKE %s
"""


@dataclass(frozen=True)
class Fault:
    """`act` injects on entering and heals on leaving; in between `hold_s` pass under load.

    `alert` is the one that must page meanwhile: no other may, and none in a shorter fault.
    """

    name: str
    act: Callable[[World], AbstractContextManager[None]]
    hold_s: float
    alert: str = ""


@contextlib.contextmanager
def leader_killed(world: World) -> Iterator[None]:
    """Kill the node that leads the busiest queue; another must lead it before the node is back."""
    leader = world.brokers.leader(queue_name(BUSIEST))
    with _killed(world, (leader,)):
        yield
        new = wait_until(
            lambda: (now := world.brokers.leader(queue_name(BUSIEST))) != leader and now,
            limit_s=LIMIT_S, every_s=LOOK_S, what=f"another leader than {leader}",
        )  # fmt: skip
        world.hit(1, f"leader ({leader}, then {new})")


@contextlib.contextmanager
def used_node_killed(world: World) -> Iterator[None]:
    """Kill the node that most programs are connected to; each must go on at another one."""
    with _killed(world, (_most_used(world, NODES),)):
        yield


@contextlib.contextmanager
def relay_killed(world: World) -> Iterator[None]:
    """Kill the relay that feeds the busiest queue; the other must feed it before that one is back."""
    relay = world.feeder()
    with _killed(world, (relay,)):
        yield
        world.hit(1, f"feeder ({relay}, then {_other_feeder(world, relay)})")


@contextlib.contextmanager
def relay_stopped(world: World) -> Iterator[None]:
    """Stop the relay that feeds the busiest queue for longer than its lease, then let it go on."""
    relay = world.feeder()
    began = time.monotonic()
    os.kill(world.pid(relay), signal.SIGSTOP)
    try:
        other = next(name for name in RELAYS if name != relay)
        label = f"%:{world.pid(other)}"
        wait_until(
            lambda: world.rows(FED_BY, f"queue:{BUSIEST}", label),
            limit_s=LIMIT_S, every_s=LOOK_S, what=f"{other} in the place of the stopped {relay}",
        )  # fmt: skip
        world.hit(1, f"feeder ({relay}, then {other} after {time.monotonic() - began:.1f} s)")
        yield
    finally:
        os.kill(world.pid(relay), signal.SIGCONT)


@contextlib.contextmanager
def zone_lost(world: World) -> Iterator[None]:
    """Kill a node, a worker with jobs in its hands and a relay at once: the zone with the node in use."""
    node = _most_used(world, [name for name in NODES if len(ZONES[zone_of(name)]) > 1])
    zone = zone_of(node)
    worker = next(name for name in ZONES[zone] if name.startswith(WORKER))
    newest = world.count(NEWEST)
    with _killed(world, ZONES[zone], when=lambda: bool(world.rows(IN_HANDS, world.pid(worker))[0][0])):
        world.hit(len(ZONES[zone]), f"processes of zone {zone}")
        yield
    world.hit(world.rows(TAKEN_BACK, newest)[0][0], "jobs taken back from its worker")


@contextlib.contextmanager
def _killed(
    world: World, names: tuple[str, ...], *, when: Callable[[], bool] = lambda: True
) -> Iterator[None]:
    """Kill these as soon as `when` holds, and start them again on leaving."""
    others = [name for name in world.programs if name not in names]
    cut = sum(count for node, count in world.connections(others).items() if node in names)
    wait_until(when, limit_s=LIMIT_S, every_s=0.01, what=f"the moment to kill {', '.join(names)}")
    world.kill(names)
    world.hit(cut, "connections of others")
    try:
        yield
    finally:
        world.start(names)


def _most_used(world: World, nodes: Sequence[str]) -> str:
    """Return which of these nodes most programs are connected to."""
    used = world.connections(world.programs)
    return max(nodes, key=lambda node: used.get(node, 0))


def _other_feeder(world: World, relay: str) -> str:
    other = next(name for name in RELAYS if name != relay)
    wait_until(
        lambda: world.rows(FED_BY, f"queue:{BUSIEST}", f"%:{world.pid(other)}"),
        limit_s=LIMIT_S, every_s=LOOK_S, what=f"{other} in the place of {relay}",
    )  # fmt: skip
    return other


# The last one lasts longer than the alert TargetDown waits.
WHOLE = (
    Fault("the queue's leader dies", leader_killed, 12.0),
    Fault("a relay dies", relay_killed, 8.0),
    Fault("the node in use dies", used_node_killed, 12.0),
    Fault("a relay stops past its lease", relay_stopped, PAST_LEASE_S),
    Fault("the next leader dies", leader_killed, 12.0),
    Fault("a zone dies", zone_lost, 150.0, alert="TargetDown"),
)
SHORT = (
    Fault("the queue's leader dies", leader_killed, 5.0),
    Fault("a relay dies", relay_killed, 4.0),
    Fault("a relay stops past its lease", relay_stopped, 3.0),
    Fault("a zone dies", zone_lost, 18.0),
)
