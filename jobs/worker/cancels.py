"""Cancels: the worker hears of them, drops what still waits in its buffer, and tells the models that run.

Only a hint: the row refuses the claim of a cancelled job and fences its verdict, heard of or not. Nothing but
cancels is heard here, so that it costs a worker nothing while there are none.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from contextlib import suppress
from threading import Event
from typing import Any
from uuid import UUID

import psycopg

from jobs.core.channels import CANCELLED
from jobs.core.states import State
from jobs.worker.progress_channel import ProgressChannel
from jobs.worker.reporter import Reporter
from jobs.worker.stages.buffer import Buffer
from jobs.worker.stages.claimed_batch import Refused

logger = logging.getLogger(__name__)
RETRY_S = 1.0
TURN_S = 1.0
GAP_S = 0.02  # many cancels at once cost one look through the buffer
_SESSION: dict[str, Any] = {"autocommit": True, "application_name": "cancels", "connect_timeout": 5}


class Cancels:
    """Listens on a connection of its own until stopped."""

    def __init__(
        self, database_url: str, buffer: Buffer, reporter: Reporter, messenger: ProgressChannel
    ) -> None:
        """Prepare to listen."""
        self._url, self._buffer, self._reporter, self._messenger = database_url, buffer, reporter, messenger

    def run(self, stopped: Event) -> None:
        """Listen, again on another connection where one is lost."""
        while not stopped.is_set():
            try:
                self._listen(stopped)
            except psycopg.Error as error:
                logger.warning("cancels are not heard of, rows decide: %s", error.__class__.__name__)
                stopped.wait(RETRY_S)

    def told(self, epochs: Mapping[UUID, int]) -> None:
        """Drop deliveries of cancelled jobs that are older than the cancel, given as the job's new epoch."""
        dropped = self._buffer.discard(lambda d: d.envelope.epoch < epochs.get(d.job, 0))
        if dropped:
            self._reporter.refused([Refused(delivery, State.CANCELLED) for delivery in dropped])
        self._messenger.look()

    def _listen(self, stopped: Event) -> None:
        with psycopg.connect(self._url, **_SESSION) as connection:
            connection.execute(f"LISTEN {CANCELLED}")
            while not stopped.is_set():
                heard = [notice.payload for notice in connection.notifies(timeout=TURN_S, stop_after=1)]
                if heard:
                    self.told(_epochs(heard))
                    stopped.wait(GAP_S)


def _epochs(payloads: Iterable[str]) -> dict[UUID, int]:
    epochs: dict[UUID, int] = {}
    for payload in payloads:
        job, _, epoch = payload.partition(":")
        with suppress(ValueError):
            epochs[UUID(job)] = int(epoch)
    return epochs
