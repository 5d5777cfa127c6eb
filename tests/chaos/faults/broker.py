"""The broker goes, comes back empty, or takes no more messages."""

from __future__ import annotations

import contextlib
import shutil
import signal
from collections.abc import Iterator
from functools import partial

from jobs.broker.topology import queue_name
from tests.chaos.faults.fault import Fault
from tests.chaos.faults.processes import killed, paused
from tests.chaos.world import LIMIT_S, LOOK_S, MODELS, World
from tests.support.wait import wait_until

MNESIA = "rabbitmq/mnesia"
# Small batches, so a message for each job, and more than two workers prefetch.
WORKERS, BACKLOG = ("gpu-worker-0", "gpu-worker-1"), 3_000


@contextlib.contextmanager
def backlogged(world: World) -> Iterator[None]:
    """Pause every worker until the broker holds many undelivered messages; resume them after the block."""
    with contextlib.ExitStack() as stopped:
        for name in WORKERS:
            stopped.enter_context(paused(world, name=name))
        world.submit("echo:killer", [{"n": world.fresh()} for _ in range(BACKLOG)])
        waiting = wait_until(
            lambda: ready(world, "echo"), limit_s=LIMIT_S, every_s=LOOK_S, what="waiting messages"
        )
        world.hit(waiting, "waiting messages")
        yield


def ready(world: World, model: str) -> int:
    """Return how many messages of the model are undelivered."""
    with world.broker() as broker, broker.channel() as channel:
        return int(channel.queue_declare(queue_name(model), passive=True).message_count)


@contextlib.contextmanager
def killed_full(world: World) -> Iterator[None]:
    """Kill the node while it holds a backlog."""
    with backlogged(world), killed(world, name="rabbitmq"):
        pass
    yield


@contextlib.contextmanager
def wiped(world: World) -> Iterator[None]:
    """Kill the node while it holds a backlog, and move its data away: it comes back without queues."""
    home = world.stack.run_dir / MNESIA
    with backlogged(world):
        world.stack.kill("rabbitmq", signal.SIGSTOP)
        home.rename(gone := home.with_name("wiped"))
        world.stack.kill("rabbitmq", signal.SIGKILL)
    yield
    shutil.rmtree(gone)


@contextlib.contextmanager
def purged(world: World) -> Iterator[None]:
    """Empty the work queues of a backlog."""
    with backlogged(world), world.broker() as broker, broker.channel() as channel:
        for model in MODELS:
            channel.queue_purge(queue_name(model))
    yield


@contextlib.contextmanager
def alarm(world: World, *, trouble: tuple[str, str], relief: tuple[str, str]) -> Iterator[None]:
    try:
        world.rabbitmqctl(*trouble)
        world.hit("resource_limit" in world.rabbitmqctl("eval", "rabbit_alarm:get_alarms()."), "alarm")
        yield
    finally:
        world.rabbitmqctl(*relief)


MEMORY = partial(
    alarm,
    trouble=("set_vm_memory_high_watermark", "0.00001"),
    relief=("set_vm_memory_high_watermark", "0.4"),
)
DISK = partial(alarm, trouble=("set_disk_free_limit", "1000000GB"), relief=("set_disk_free_limit", "50MB"))

FAULTS = (
    Fault("broker restarted", partial(killed, name="rabbitmq", number=signal.SIGTERM)),
    Fault("broker killed", killed_full),
    Fault("broker wiped", wiped),
    Fault("work queues purged", purged),
    Fault("memory alarm", MEMORY, 12.0),
    Fault("disk alarm", DISK, 12.0),
)
