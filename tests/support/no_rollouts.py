"""A worker's view of roll-outs where there are none."""

from __future__ import annotations

from typing import Any


class _NoRollouts:
    def watches(self, _version: int) -> tuple[()]:
        return ()


NO_ROLLOUTS: Any = _NoRollouts()
