"""The batches that wait to be stored: those that ran, and those of which a row was locked."""

from __future__ import annotations

import time
from collections import deque
from contextlib import suppress
from queue import Empty, Full, Queue

from jobs.worker.stages.claimed_batch import ClaimedBatch

LOCKED_S = 0.5  # between two tries to store verdicts whose rows another transaction has locked
MOST_LOCKED = 64  # with more batches like these nothing else is settled


class SettleQueue:
    """Every lane puts what it ran, and waits where the settling is slow; one thread takes all that waits."""

    def __init__(self, most: int) -> None:
        """Hold at most `most` batches that ran."""
        self._ran: Queue[ClaimedBatch | None] = Queue(maxsize=most)
        self._locked: deque[ClaimedBatch] = deque()
        self._locked_at = 0.0
        self._ended = self.closing = False

    @property
    def waiting(self) -> int:
        """Return how many batches that ran wait."""
        return self._ran.qsize()

    def put(self, batch: ClaimedBatch) -> None:
        """Add a batch that ran; wait for room."""
        self._ran.put(batch)

    def retry(self, batch: ClaimedBatch) -> None:
        """Add a batch of which rows were locked, for later."""
        self._locked.append(batch)

    def end(self) -> None:
        """Let `next` return nothing once all that ran is taken; wait for room."""
        self._ran.put(None)

    def end_now(self) -> bool:
        """Do the same without waiting; False where there is no room."""
        try:
            self._ran.put_nowait(None)
        except Full:
            return False
        return True

    def next(self) -> list[ClaimedBatch]:
        """Wait for batches and return all that ran; now and then, however busy, one that had locked rows.

        An empty list is the end.
        """
        if self._ended:
            return []
        if not self._locked:
            return self._all_after(self._ran.get())
        wait_s = self._locked_at - time.monotonic()
        if wait_s > 0 and (len(self._locked) < MOST_LOCKED or self.closing):
            with suppress(Empty):
                return self._all_after(self._ran.get(timeout=wait_s))
        elif wait_s > 0:
            time.sleep(wait_s)
        self._locked_at = time.monotonic() + LOCKED_S
        return [self._locked.popleft()]

    def _all_after(self, batch: ClaimedBatch | None) -> list[ClaimedBatch]:
        batches = list[ClaimedBatch]()
        with suppress(Empty):
            while batch is not None:
                batches.append(batch)
                batch = self._ran.get_nowait()
            self._ended = True
        return batches
