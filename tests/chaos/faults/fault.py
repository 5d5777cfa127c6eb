"""A fault: something done to the world, held for a while, and undone."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from tests.chaos.world import World

Act = Callable[[World], AbstractContextManager[None]]


@dataclass(frozen=True)
class Fault:
    """`act` injects on entering and heals on leaving, whatever happens between; it is held for `hold_s`."""

    name: str
    act: Act
    hold_s: float = 0.0
