"""A fault: an act on the world that is held for a while and undone."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from tests.chaos.world import World

Act = Callable[[World], AbstractContextManager[None]]


@dataclass(frozen=True)
class Fault:
    """`act` injects on entering and heals on leaving; `hold_s` passes in between."""

    name: str
    act: Act
    hold_s: float = 0.0
