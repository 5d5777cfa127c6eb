"""Cuts the past into slices that are quick to read, newest first. Pure.

A slice is as wide as the last reads allow: years where nothing is stored, seconds where a long transaction
elsewhere keeps a million dead rows.
"""

from __future__ import annotations

FIRST_S, LONGEST_S = 1.0, 4e9
LEAST_S = FIRST_S / 64  # a narrower slice is no quicker: what it takes then is the way to the database
SLICE_S = 0.02  # so long may the read of a slice take
REST_S = 10.0  # between two walks


class PastWalk:
    """Walks from now into the past, again and again; all times are seconds since 1970 of one clock."""

    def __init__(self) -> None:
        """Begin the first walk at the first slice."""
        self._end_s: float | None = None
        self._width_s = FIRST_S
        self._limit_s = SLICE_S
        self._rests_until_s = 0.0

    def slice(self, now_s: float) -> tuple[float, float] | None:
        """Return where the next slice starts and ends; None between two walks."""
        if now_s < self._rests_until_s:
            return None
        if self._end_s is None:
            self._end_s = now_s
        return max(0.0, self._end_s - self._width_s), self._end_s

    def read(self, start_s: float, *, took_s: float, now_s: float) -> None:
        """Note that the slice which starts at `start_s` was read in `took_s` seconds.

        Where the narrowest slice takes too long as well, twice its time is allowed until the walk's end.
        """
        self._end_s = start_s
        if took_s > self._limit_s and self._width_s <= LEAST_S:
            self._limit_s = 2 * took_s
        self._width_s = min(LONGEST_S, self._width_s * (0.5 if took_s > self._limit_s else 2.0))
        if start_s <= 0:
            self._end_s, self._rests_until_s = None, now_s + REST_S
            self._width_s, self._limit_s = FIRST_S, SLICE_S
