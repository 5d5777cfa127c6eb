"""The inner watchdog: a batch that outlives its limit ends the process, the only way to end a thread.

Before that the reason is written to the worker's row, so that the sweeper returns its batches at once. While
a model holds the interpreter lock this thread does not run, and beats no more: the outer watchdog ends the
process then.
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable
from threading import Event, Thread
from typing import Protocol

from jobs.worker.stages.claimed_batch import ClaimedBatch

logger = logging.getLogger(__name__)

EVERY_S = 0.25
LAST_WORDS_S = 3.0
EXIT_CODE = 70
PAUSE_S = 1.0  # a look that comes so late, without any work of the process, follows a pause of it


class Beats(Protocol):
    """Learns that this process runs; the outer watchdog."""

    def beat(self, left_s: float) -> None:
        """Note that it runs, and how many seconds its most urgent batch has left; infinity without one."""

    def bye(self) -> None:
        """Note that it ends."""


class Watchdog:
    """Looks at the unsettled batches and ends the process when one of them hangs."""

    def __init__(
        self,
        batches: Callable[[], list[ClaimedBatch]],
        *,
        limit_s: float,
        last_words: Callable[[], None],
        stopped: Event,
        end: Callable[[int], object] = os._exit,
        outer: Beats | None = None,
    ) -> None:
        """Prepare to watch; `limit_s`, in seconds, is for batches without a limit of their own."""
        self._batches, self._limit_s, self._last_words = batches, limit_s, last_words
        self._stopped, self._end, self._outer = stopped, end, outer
        self.look_at_load: Callable[[float], None] = lambda _: None  # holds a load to a limit of its own
        self._paused_s = 0.0  # how long this process was stopped in all
        self._seen: dict[tuple[int, float], float] = {}  # the same, when a stage's work was seen first

    def run(self) -> None:
        """Watch until stopped."""
        before, used = time.monotonic(), time.process_time()
        while not self._stopped.wait(EVERY_S):
            now, now_used = time.monotonic(), time.process_time()
            self.forgive(now - before, used_s=now_used - used)
            before, used = now, now_used
            hung = self.hung(now)
            if hung is not None:
                self._bark(hung)
                return
            self.look_at_load(now - self._paused_s)
        if self._outer is not None:
            self._outer.bye()

    def forgive(self, late_s: float, *, used_s: float) -> None:
        """Do not count the time in which this process, or its machine, was stopped."""
        if late_s > EVERY_S + PAUSE_S and used_s < 0.1 * late_s:
            self._paused_s += late_s - EVERY_S

    def hung(self, now: float) -> ClaimedBatch | None:
        """Return a batch that a stage has worked on for longer than its limit; beat with what is left."""
        busy = [(batch, batch.busy_since) for batch in self._batches()]
        work = {(id(batch), since): batch for batch, since in busy if since is not None}
        self._seen = {key: self._seen.get(key, self._paused_s) for key in work}
        left_s = {
            key: (batch.limit_s or self._limit_s) - (now - key[1] - (self._paused_s - self._seen[key]))
            for key, batch in work.items()
        }
        if self._outer is not None:
            self._outer.beat(min(left_s.values(), default=math.inf))
        return next((work[key] for key, seconds in left_s.items() if seconds < 0), None)

    def _bark(self, hung: ClaimedBatch) -> None:
        logger.critical("batch %s of %d jobs hangs: the worker ends", hung.id, len(hung.jobs))
        # The database may be what hangs: the process ends whether the row could be written or not.
        words = Thread(target=self._last_words, name="last-words", daemon=True)
        words.start()
        words.join(LAST_WORDS_S)
        self._end(EXIT_CODE)
