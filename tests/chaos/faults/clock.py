"""A program with a wrong clock: it is restarted with one."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from functools import partial

from tests.chaos.faults.fault import Fault
from tests.chaos.world import World

HOUR_S = 3_600.0


@contextlib.contextmanager
def skewed(world: World, *, name: str, seconds: float) -> Iterator[None]:
    clock = world.stack.run_dir / "clock"
    clock.write_text(str(seconds))
    try:
        _again(world, name)
        world.hit(1, "process with another clock")
        yield
    finally:
        clock.unlink()
        _again(world, name)


def _again(world: World, name: str) -> None:
    world.stack.wait_restarted(name, old_pid=world.stack.kill(name, signal.SIGTERM))


FAULTS = tuple(
    Fault(f"clock of {name} {hours:+.0f} h", partial(skewed, name=name, seconds=hours * HOUR_S), 15.0)
    for name, hours in (("gpu-worker-0", 1.0), ("gpu-worker-0", -1.0), ("relay", 1.0), ("web", -1.0))
)
