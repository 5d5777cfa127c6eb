"""Faults of the network between each pair of parts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial

from tests.chaos.faults.fault import Fault
from tests.chaos.wiring import PAIRS
from tests.chaos.world import World
from tests.support.proxy import Mode

LATENCY_S = 0.1
HOLDS_S = {Mode.CUT: 6.0, Mode.DARK: 20.0, Mode.HALF_OPEN: 10.0, Mode.GHOST: 10.0}
# Only AMQP has heartbeats; Postgres's connections rely on the kernel's keepalives.
SILENT_PAIRS = ("relay-rabbit", "worker-rabbit")


@contextlib.contextmanager
def counted(world: World, pair: str) -> Iterator[None]:
    """Report what passed over the link, or was cut there, during the block."""
    before = world.network.disturbed(pair)
    yield
    world.hit(world.network.disturbed(pair) - before, "connections or parcels")


@contextlib.contextmanager
def disturbed(world: World, *, pair: str, mode: Mode) -> Iterator[None]:
    with counted(world, pair):
        world.network.turn(pair, mode)
        try:
            yield
        finally:
            world.network.turn(pair, Mode.OPEN)


@contextlib.contextmanager
def silenced(world: World, *, pair: str) -> Iterator[None]:
    """Let nothing more pass on the present connections, without a word to either side; new ones pass."""
    with counted(world, pair):
        world.network.silence(pair)
        yield


@contextlib.contextmanager
def slow(world: World, *, pair: str) -> Iterator[None]:
    with counted(world, pair):
        world.network.slow(pair, LATENCY_S)
        try:
            yield
        finally:
            world.network.slow(pair)


FAULTS = (
    *(Fault(f"{mode} {pair}", partial(disturbed, pair=pair, mode=mode), hold_s)
      for pair in PAIRS for mode, hold_s in HOLDS_S.items()),
    *(Fault(f"latency {pair}", partial(slow, pair=pair), 10.0) for pair in PAIRS),
    *(Fault(f"silent {pair}", partial(silenced, pair=pair)) for pair in SILENT_PAIRS),
)  # fmt: skip
