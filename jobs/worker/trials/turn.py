"""When a batch beside the jobs may run: while the worker has none, else for a small part of the time."""

from __future__ import annotations

import time
from collections.abc import Callable

BUSY_SHARE = 0.1  # of the time, while the worker has jobs: so a trial ends also where it always has some
LOOK_S = 0.02


class Turn:
    """Lets a trial wait for its turn; `is_quiet` returns whether the worker has nothing to do for clients.

    While the worker has jobs, batches get at most `busy_share` of the time; with 0 they get none.
    """

    def __init__(
        self,
        is_quiet: Callable[[], bool],
        *,
        busy_share: float = BUSY_SHARE,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._is_quiet, self._clock, self._sleep = is_quiet, clock, sleep
        self._busy_share, self._next = busy_share, 0.0 if busy_share else float("inf")

    def wait(self, stopping: Callable[[], bool]) -> bool:
        """Wait until a batch may run; False where the trial is to stop before."""
        while not stopping():
            if self._is_quiet() or self._clock() >= self._next:
                return True
            self._sleep(LOOK_S)
        return False

    def ran(self, seconds: float) -> None:
        """Note how long the device was used: that decides when a busy worker lets the next batch run."""
        if self._busy_share:
            self._next = self._clock() + seconds * (1 / self._busy_share - 1)
