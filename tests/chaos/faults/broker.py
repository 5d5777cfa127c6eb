"""The broker goes, comes back empty, or takes no more messages."""

from __future__ import annotations

import contextlib
import shutil
import signal
from collections.abc import Iterator
from functools import partial

from jobs.amqp.topology import queue_name
from tests.chaos.faults.fault import Fault
from tests.chaos.faults.processes import killed
from tests.chaos.world import MODELS, World

MNESIA = "rabbitmq/mnesia"


@contextlib.contextmanager
def wiped(world: World) -> Iterator[None]:
    """Kill the node and take its data away: it comes back with no queue."""
    world.stack.kill("rabbitmq", signal.SIGSTOP)
    home = world.stack.run_dir / MNESIA
    home.rename(gone := home.with_name("wiped"))
    world.stack.kill("rabbitmq", signal.SIGKILL)
    try:
        yield
    finally:
        shutil.rmtree(gone)


@contextlib.contextmanager
def purged(world: World) -> Iterator[None]:
    """Empty the work queues of whatever no consumer has."""
    with world.broker() as broker, broker.channel() as channel:
        for model in MODELS:
            channel.queue_purge(queue_name(model))
    yield


@contextlib.contextmanager
def alarm(world: World, *, trouble: tuple[str, str], relief: tuple[str, str]) -> Iterator[None]:
    try:
        world.rabbitmqctl(*trouble)
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
    Fault("broker killed", partial(killed, name="rabbitmq")),
    Fault("broker wiped", wiped),
    Fault("work queues purged", purged),
    Fault("memory alarm", MEMORY, 12.0),
    Fault("disk alarm", DISK, 12.0),
)
