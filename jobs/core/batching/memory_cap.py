"""The padded size that fits a device's memory, learned from runs that did not fit."""

from __future__ import annotations

from dataclasses import dataclass

_CLOSE = 0.8  # of the cap: smaller runs do not show whether more would fit
_GOOD_RUNS, _RAISE = 200, 1.25


@dataclass(slots=True)
class MemoryCap:
    """The largest padded size to run: halved by a failure, raised a little after many good runs near it."""

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
