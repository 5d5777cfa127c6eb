"""How many copies a batch may have, so that both versions' runs end within the rule's seconds. Pure.

Nothing is known of a new version: the first batch has one copy and is not learned from, because it shows what
has yet to be prepared. Then batches double, as far as the predicted time allows.

A job that comes while copies run waits for them. Jobs come at any time, so the part of the time in which
copies run is the part of the jobs that meet some: with two in a thousand the p99 of jobs stays what it was.
"""

from __future__ import annotations

from jobs.core.batching.service_time import ServiceTime

LOOK_AGAIN_S = 60.0
LONGEST_REST_S = 60.0  # after a first batch, which may have taken a minute, too


class CopyPace:
    """The sizes and times of one shadow's batches at one worker; both versions together run within `limit_s`.

    `time_share` is the part of the time in which they may run.
    """

    def __init__(self, limit_s: float, most: int, time_share: float = 1.0) -> None:
        """Begin without knowledge; a batch of either version has room for `most` jobs."""
        self._limit_s, self._most, self._time_share = limit_s, most, time_share
        self._time, self._largest, self._is_warm = ServiceTime(), 0, False
        self._last_at = self._rests_until = float("-inf")

    def rests(self, now: float) -> bool:
        """Return whether no copy may run yet, because some ran a short time ago."""
        return now < self._rests_until

    def spent(self, seconds: float, now: float) -> None:
        """Rest for as long as `seconds` of copies, which have just ended, ask for."""
        self._rests_until = now + min(seconds * (1.0 / self._time_share - 1.0), LONGEST_REST_S)

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

    @property
    def too_long_s(self) -> float | None:
        """Return the predicted seconds of a single copy where the limit allows none; None elsewhere."""
        return one_s if (one_s := self.one_s) is not None and one_s > self._limit_s else None
