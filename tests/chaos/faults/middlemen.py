"""What stands between in production: a pooler before Postgres, and a cluster of brokers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial

from jobs.broker.topology import queue_name
from tests.chaos.faults.fault import Fault
from tests.chaos.faults.processes import busy_worker_killed, killed, paused
from tests.chaos.launch import POOLER
from tests.chaos.world import LOOK_S, Ground, World
from tests.support.wait import wait_until

PAUSE_S, NODE_AWAY_S = 12.0, 10.0


@contextlib.contextmanager
def pooler_paused(world: World) -> Iterator[None]:
    """Stop the pooler: every connection through it hangs, while the direct ones go on."""
    with paused(world, name=POOLER):
        newest = world.newest()
        yield
        ((moved,),) = world.rows("SELECT count(*) FROM chaos_history WHERE seq > %s", newest)
    world.hit(1, "pooler stopped")
    world.note(f"{moved} changes meanwhile")


@contextlib.contextmanager
def leader_killed(world: World) -> Iterator[None]:
    """Kill the node that leads a work queue, and start it again later."""
    cluster, queue = world.cluster, queue_name("echo")
    assert cluster is not None
    leader = cluster.leader(queue)
    cluster.kill(leader)
    try:
        yield
        new = wait_until(
            lambda: other if (other := cluster.leader(queue)) != leader else "",
            every_s=LOOK_S, what=f"another leader than {leader}",
        )  # fmt: skip
        world.hit(1, "leader lost")
        world.note(f"{leader} -> {new}")
    finally:
        cluster.restart(leader)


FAULTS = (
    Fault("pgbouncer killed", partial(killed, name=POOLER), ground=Ground.POOLED),
    Fault("pgbouncer paused", pooler_paused, PAUSE_S, ground=Ground.POOLED),
    Fault("postgres killed behind pgbouncer", partial(killed, name="postgres"), ground=Ground.POOLED),
    Fault("relay killed behind pgbouncer", partial(killed, name="relay"), ground=Ground.POOLED),
    Fault(
        "worker killed behind pgbouncer",
        partial(busy_worker_killed, name="gpu-worker-0"),
        ground=Ground.POOLED,
    ),
    Fault("node of three RabbitMQ killed", leader_killed, NODE_AWAY_S, ground=Ground.CLUSTER),
)
