"""How many jobs are sampled, and how long their reader rests, so that sampling costs little. Pure."""

from __future__ import annotations

from typing import Final

MOST_PER_S: Final = 20.0
MOST_AT_ONCE: Final = 20.0
MOST_SHARE: Final = 0.01  # of a core's time, for all versions together
MOST_OF_WORKER: Final = 0.015  # of the time of a core that the whole worker takes meanwhile
FIRST_S: Final = 0.01  # before the worker has done anything


class SamplePace:
    """The samples of one version: up to 20 a second."""

    def __init__(self, now: float) -> None:
        """Begin at `now`, in monotonic seconds, with a full second's samples."""
        self._left, self._at = MOST_AT_ONCE, now

    def take(self, jobs: int, now: float) -> int:
        """Return how many of so many jobs may be sampled."""
        self._left = min(MOST_AT_ONCE, self._left + MOST_PER_S * (now - self._at))
        self._at = now
        taken = min(jobs, int(self._left))
        self._left -= taken
        return taken


def rest_s(spent_s: float) -> float:
    """Return the seconds without work after so many seconds of a core's time."""
    return spent_s * (1.0 / MOST_SHARE - 1.0)


def may_read(spent_s: float, worker_s: float) -> bool:
    """Return whether reading took little of the seconds of a core that the whole worker has taken."""
    return spent_s <= FIRST_S + MOST_OF_WORKER * worker_s
