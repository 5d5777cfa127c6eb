"""When a polled statement reads its index from the beginning, and when from a mark on. Pure.

A transaction that stays open anywhere in the database keeps dead rows and their index entries. A look from
the beginning reads them all. It is always made while it is quick, and rarely where it takes long; the looks
in between begin at the mark.

One long look alone says nothing of the index: its process may have been stopped meanwhile, for minutes.
"""

from __future__ import annotations

SLACK_S = 5.0  # a mark stays so far behind, for rows whose transaction committed late
QUICK_S = 0.01
REST = 20  # a look that took long is not repeated before so many times its duration


class WholeLooks:
    """Decides about the looks of one statement; its mark is in the database's seconds since 1970."""

    def __init__(self, *, quick_s: float = QUICK_S) -> None:
        """Begin with a look from the beginning; one that takes up to `quick_s` seconds is always made."""
        self._quick_s = quick_s
        self._due_at = self._last_s = 0.0
        self._mark_s = 0.0

    def due(self, now: float) -> bool:
        """Return whether the look at `now`, in monotonic seconds, reads from the beginning."""
        return now >= self._due_at

    def since_s(self, now: float) -> float:
        """Return the time from which on the look at `now` reads; 0 is the beginning."""
        return 0.0 if self.due(now) else self._mark_s

    def took(self, seconds: float, *, began: float) -> None:
        """Note how long a look from the beginning took; two in a row tell how long they take."""
        both_s, self._last_s = min(seconds, self._last_s), seconds
        self._due_at = began + (0.0 if both_s <= self._quick_s else REST * both_s)

    def emptied(self, now_s: float) -> None:
        """Note that nothing is left of what was due before `now_s`."""
        self._mark_s = now_s - SLACK_S
