"""How busy the processors are that this process may use, so that batching knows when they are scarce."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import psutil

PERIOD_S = 0.25

Times = tuple[float, float]


class HostLoad:
    """The share of the processors' time that anything took, from 0 to 1, over the last period or longer."""

    def __init__(self, read: Callable[[], Times] | None = None) -> None:
        """Look with `read`, which returns busy seconds and all seconds so far."""
        self._read = read or cpu_times
        self._last, self._read_at, self._busy = (0.0, 0.0), time.monotonic(), 0.0
        self._last = self._now()

    def __call__(self) -> float:
        """Return the share; look again once a period, because a look costs as much as a seal."""
        now = time.monotonic()
        if now - self._read_at >= PERIOD_S:
            before, self._last, self._read_at = self._last, self._now(), now
            busy_s, passed_s = (after - at for after, at in zip(self._last, before, strict=True))
            if passed_s > 0.0:
                self._busy = min(max(busy_s / passed_s, 0.0), 1.0)
        return self._busy

    def _now(self) -> Times:
        """Read, or return what was read last where the host says nothing: a batch must not fail for that."""
        try:
            return self._read()
        except (OSError, RuntimeError, ValueError):
            self._busy = 0.0
            return self._last


def cpu_times() -> Times:
    """Return the busy seconds and all seconds of the processors of this process."""
    mine = os.sched_getaffinity(0)
    busy = total = 0.0
    for number, times in enumerate(psutil.cpu_times(percpu=True)):
        if number in mine:
            idle = times.idle + times.iowait + times.nice  # what is nice gives way
            total += sum(times[:8])
            busy += sum(times[:8]) - idle
    return busy, total
