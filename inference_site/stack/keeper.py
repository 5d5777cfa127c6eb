"""Restarting of ended processes, with longer delays while one keeps ending."""

from inference_site.stack.served import Served

FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 15.0
SETTLED_S = 30.0


def delay_s(failures: int) -> float:
    """Return the seconds to wait before a restart, after so many failures in a row."""
    return min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(failures, 10))


class Keeper:
    """Keeps one process running; the caller passes the time."""

    def __init__(self, served: Served, *, now: float) -> None:
        """Keep a process that was started at `now`."""
        self.served = served
        self._started = now
        self._failures = 0
        self._due: float | None = None

    def tend(self, now: float) -> bool:
        """Look at the process; return True if this call restarted it."""
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
