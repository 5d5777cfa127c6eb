"""How often callers may decide that they are traced: so many times a second and client."""

from __future__ import annotations

from collections import Counter
from threading import Lock


class CallerBudget:
    """Counts the sampled calls of each client within one second; it forgets them with the second."""

    def __init__(self, per_s: int) -> None:
        """Allow each client `per_s` calls a second; 0 allows none."""
        self._per_s, self._second = per_s, 0
        self._taken, self._lock = Counter[int](), Lock()

    def take(self, client: int, now_s: float) -> bool:
        """Count a call of a client, at a time in seconds; return whether there was room for it."""
        with self._lock:
            if int(now_s) != self._second:
                self._second = int(now_s)
                self._taken.clear()
            self._taken[client] += 1
            return self._taken[client] <= self._per_s
