"""Starts again what has ended, less and less eagerly while it keeps ending."""

from inference_site.stack.served import Served

FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 15.0
SETTLED_S = 30.0


def delay_s(failures: int) -> float:
    """Return the wait before the start that follows so many failures in a row."""
    return min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(failures, 10))


class Keeper:
    """Keeps one served thing running; time is told to it."""

    def __init__(self, served: Served, *, now: float) -> None:
        """Take over something that was started at `now`."""
        self.served = served
        self._started = now
        self._failures = 0
        self._due: float | None = None

    def tend(self, now: float) -> bool:
        """Look once; return True where it was started again."""
        if self._due is None:
            self._notice_an_end(now)
            return False
        return now >= self._due and self._start(now)

    def _notice_an_end(self, now: float) -> None:
        child = self.served.child
        if child is None or child.ended():
            self._failures = 0 if now - self._started > SETTLED_S else self._failures
            self._due = now + delay_s(self._failures)
            self._failures += 1

    def _start(self, now: float) -> bool:
        self._due, self._started = None, now
        self.served.start()
        return True
