"""When the next worker may be started after some have died. Pure."""

from __future__ import annotations

FIRST_S, LONGEST_S = 2.0, 300.0
SETTLED_S = 60.0  # a worker that has served for so long has proved that workers can


class StartBackoff:
    """Doubles the pause with each death in a row; the caller passes monotonic seconds."""

    def __init__(self) -> None:
        self.deaths = 0
        self._due_s = float("-inf")

    def died(self, now_s: float) -> float:
        """Note a death; return the seconds until the next start."""
        pause_s = min(LONGEST_S, FIRST_S * 2.0 ** min(self.deaths, 16))
        self.deaths += 1
        self._due_s = now_s + pause_s
        return pause_s

    def settled(self) -> None:
        """Note that a worker has served for `SETTLED_S`."""
        self.deaths, self._due_s = 0, float("-inf")

    def allows(self, now_s: float) -> bool:
        """Return whether a worker may be started."""
        return now_s >= self._due_s

    def pause_s(self, now_s: float) -> float | None:
        """Return the seconds until a worker may be started; None where one may be now."""
        return None if self.allows(now_s) else self._due_s - now_s
