"""The padded size that fits the memory of a device, learned from runs that did not fit."""

from __future__ import annotations

from dataclasses import dataclass

_CLOSE = 0.8  # part of the cap: a smaller run does not show that more would fit
_GOOD_RUNS, _RAISE = 200, 1.25


@dataclass(slots=True)
class MemoryCap:
    """The largest padded size to run; a failure halves it, and many good runs near it raise it a little."""

    size: float = float("inf")
    good: int = 0

    def failed(self, padded_size: int) -> None:
        """Learn that a run of `padded_size` ran out of memory."""
        self.size, self.good = max(1.0, min(self.size, float(padded_size)) / 2), 0

    def succeeded(self, padded_size: int) -> None:
        """Learn that a run of `padded_size` fitted."""
        if padded_size < _CLOSE * self.size:
            return
        self.good += 1
        if self.good >= _GOOD_RUNS:
            self.size, self.good = self.size * _RAISE, 0
