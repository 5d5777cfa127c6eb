"""The rate of arrivals, learned online and forgotten within seconds."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp

MEMORY_S = 2.0
_LEAST_S = 0.001  # arrivals within it are one burst and give no rate


@dataclass(slots=True)
class ArrivalRate:
    """A count of arrivals that forgets exponentially."""

    count: float = 0.0
    began_s: float | None = None
    last_s: float = 0.0

    def observe(self, now: float) -> None:
        """Learn one arrival."""
        if self.began_s is None:
            self.began_s = self.last_s = now
        self.count = self.count * exp((self.last_s - now) / MEMORY_S) + 1.0
        self.last_s = now

    @property
    def per_s(self) -> float:
        """Return the arrivals a second at the time of the last one; 0 until enough time has passed."""
        watched_s = 0.0 if self.began_s is None else self.last_s - self.began_s
        if watched_s < _LEAST_S:
            return 0.0
        return self.count / (MEMORY_S * (1.0 - exp(-watched_s / MEMORY_S)))
