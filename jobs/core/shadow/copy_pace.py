"""How many copies a batch may have, so that both versions' runs end within the rule's seconds. Pure.

Nothing is known of a new version: the first batch has one copy and is not learned from, because it shows what
has yet to be prepared. Then batches double, as far as the predicted time allows.
"""

from __future__ import annotations

from jobs.core.batching.service_time import ServiceTime

LOOK_AGAIN_S = 60.0


class CopyPace:
    """The sizes of one shadow's batches at one worker; both versions together run within `limit_s`."""

    def __init__(self, limit_s: float, most: int) -> None:
        """Begin without knowledge; a batch of either version has room for `most` jobs."""
        self._limit_s, self._most = limit_s, most
        self._time, self._largest, self._is_warm = ServiceTime(), 0, False
        self._last_at = float("-inf")

    def size(self, now: float) -> int:
        """Return how many copies the next batch may have.

        It is 0 where already one is predicted to take too long; once a minute that is tried again.
        """
        if not self._time.weight:
            return 1
        within = min(self._time.size_within(self._limit_s), 2 * self._largest, self._most)
        size = int(within)
        while size and self._time.seconds(size) > self._limit_s:
            size //= 2
        return size or int(now - self._last_at >= LOOK_AGAIN_S)

    def ran(self, size: int, seconds: float, now: float) -> None:
        """Learn from a batch that both versions ran in so many seconds together."""
        self._last_at = now
        if self._is_warm:
            self._time.observe(size, seconds)
            self._largest = max(self._largest, size)
        self._is_warm = True

    @property
    def one_s(self) -> float | None:
        """Return the predicted seconds of a single copy; None where none has been measured."""
        return self._time.seconds(1) if self._time.weight else None
