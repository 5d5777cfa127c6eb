"""The watchdog: a batch that outlives its limit ends the process, which is the only way to end a thread.

Before that the reason is written to the worker's row, so that the sweeper returns its batches at once.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from threading import Event, Thread

from jobs.worker.stages.claimed_batch import ClaimedBatch

logger = logging.getLogger(__name__)

EVERY_S = 0.25
LAST_WORDS_S = 3.0
EXIT_CODE = 70


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
    ) -> None:
        """Prepare to watch; `limit_s`, in seconds, is for batches without a limit of their own."""
        self._batches, self._limit_s, self._last_words = batches, limit_s, last_words
        self._stopped, self._end = stopped, end

    def run(self) -> None:
        """Watch until stopped."""
        while not self._stopped.wait(EVERY_S):
            hung = self.hung(time.monotonic())
            if hung is not None:
                self._bark(hung)
                return

    def hung(self, now: float) -> ClaimedBatch | None:
        """Return a batch that a stage has worked on for longer than its limit."""
        for batch in self._batches():
            since = batch.busy_since
            if since is not None and now - since > (batch.limit_s or self._limit_s):
                return batch
        return None

    def _bark(self, hung: ClaimedBatch) -> None:
        logger.critical("batch %s of %d jobs hangs: the worker ends", hung.id, len(hung.jobs))
        # The database may be what hangs: the process ends whether the row could be written or not.
        words = Thread(target=self._last_words, name="last-words", daemon=True)
        words.start()
        words.join(LAST_WORDS_S)
        self._end(EXIT_CODE)
