"""When a feeder looks again: after a full queue, after workers, and longer and longer after a refusal."""

from __future__ import annotations

from dataclasses import dataclass

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0


@dataclass
class FeedPace:
    """When the feeder reads the queue again, in seconds of a clock that only goes forward."""

    full_until: float = 0.0
    overdue_at: float = 0.0
    paused_until: float = 0.0
    pause_s: float = FIRST_PAUSE_S
    workers_at: float = 0.0
    counted_at: float = 0.0

    def pause(self, now: float) -> None:
        """Pause, twice as long as the last time, because the broker refuses messages."""
        self.paused_until = now + self.pause_s
        self.pause_s = min(LONGEST_PAUSE_S, 2 * self.pause_s)

    def confirmed(self) -> None:
        """Begin with a short pause again, because the broker takes messages."""
        self.pause_s = FIRST_PAUSE_S
