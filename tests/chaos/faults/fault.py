"""A fault: an act on the world that is held for a while and undone."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from tests.chaos.world import Ground, World

Act = Callable[[World], AbstractContextManager[None]]


class NothingHitError(Exception):
    """A fault did not meet what it is aimed at: it says nothing about the stack."""


@dataclass(frozen=True)
class Fault:
    """`act` injects on entering and heals on leaving; `hold_s` passes in between.

    It reports to `world.hit` what it hit: a fault that hits nothing is tried again, and then fails. One that
    `lasts` is healed at the end of the round only. `p99_s` bounds the wait of the jobs that are accepted
    meanwhile. Faults of different grounds are of different rounds. `load` is
    the share of the round's rate that is posted meanwhile: half a fleet cannot carry all of it.
    """

    name: str
    act: Act
    hold_s: float = 0.0
    lasts: bool = False
    p99_s: float | None = None
    ground: Ground = Ground.PLAIN
    load: float = 1.0
