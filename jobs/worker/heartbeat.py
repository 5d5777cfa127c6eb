"""The worker's heartbeat: on a thread and a session of its own, so that no busy stage delays it."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Collection, Sequence
from threading import Event
from uuid import UUID

import sqlalchemy as sa

from jobs.db import database_clock
from jobs.db.listen_loop import ListenLoop
from jobs.services.lifecycle import worker_row
from jobs.services.lifecycle.worker_row import UNKNOWN_MEMORY, DeviceMemory, Incarnation

logger = logging.getLogger(__name__)
HEARTBEAT_S = 5.0


class Heartbeat(ListenLoop):
    """Renews an incarnation's row until stopped.

    It ends the process where another one took its name, or where a batch runs on although the row was ended
    for its silence: the batch's verdicts do not count, and it would keep the device from others.
    """

    def __init__(
        self,
        incarnation: Incarnation,
        *,
        stop: Event,
        in_hand: Callable[[], Collection[UUID]],
        memory: Callable[[], DeviceMemory] = lambda: UNKNOWN_MEMORY,
    ) -> None:
        """Prepare to beat for `incarnation`.

        `in_hand` returns the batches that it works on, `memory` its device's memory. Neither may wait: a beat
        that does not come is taken for the end of the worker.
        """
        super().__init__(stop=stop)
        self._memory = memory
        self._incarnation, self._ending, self._in_hand = incarnation, False, in_hand
        self._void = frozenset[UUID]()  # what ran here when the row was opened again

    @property
    def pause_s(self) -> float:
        """Return the seconds between two beats."""
        return HEARTBEAT_S

    def step(self, session: sa.Connection, payloads: Sequence[str]) -> None:  # no channel notifies it
        """Beat once; a SIGTERM to this process, once, where the row has ended or what runs is void."""
        database_clock.measure(session)
        beat = worker_row.beat(session, self._incarnation.id, self._in_hand, self._memory())
        if self._stop.is_set() or self._ending:
            return
        if not beat.known:
            self._end(f"another worker took the name {self._incarnation.node}")
        elif self._void & frozenset(self._in_hand()):
            self._end("a batch runs on whose jobs were given to others, because this worker was silent")
        self._void = beat.void

    def _end(self, reason: str) -> None:
        self._ending = True
        logger.critical("%s: this one ends", reason)
        os.kill(os.getpid(), signal.SIGTERM)  # its batches are reaped as soon as they are claimed
