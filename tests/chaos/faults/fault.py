"""A fault: something done to the world, held for a while, and undone."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from tests.chaos.world import World

Act = Callable[[World], AbstractContextManager[None]]


@dataclass
class Fault:
    """`act` injects on entering and heals on leaving; `needs` names what the product still lacks for it."""

    name: str
    act: Act
    hold_s: float = 0.0
    needs: str = ""
    _open: AbstractContextManager[None] | None = field(default=None, repr=False)

    def inject(self, world: World) -> None:
        self._open = self.act(world)
        self._open.__enter__()

    def heal(self) -> None:
        if self._open is not None:
            self._open.__exit__(None, None, None)
            self._open = None
