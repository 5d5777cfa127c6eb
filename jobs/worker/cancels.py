"""Cancels: the worker drops cancelled jobs from its buffer, and lets running models ask for them.

A notification is only a hint: the row refuses the claim of a cancelled job and fences its verdict anyway.
The channel carries cancels alone, so it costs a worker nothing while there are none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from threading import Event
from uuid import UUID

import sqlalchemy as sa

from jobs.core.channels import CANCELLED
from jobs.core.states import State
from jobs.db.listen_loop import ListenLoop
from jobs.worker.progress_channel import ProgressChannel
from jobs.worker.reporting.reporter import Reporter
from jobs.worker.stages.buffer import Buffer
from jobs.worker.stages.claimed_batch import Refused

PAUSE_S = 1.0


class Cancels(ListenLoop):
    """Drops the deliveries of cancelled jobs, until stopped."""

    channels = (CANCELLED,)
    gap_s = 0.02  # many cancels at once cost one look through the buffer

    def __init__(self, buffer: Buffer, reporter: Reporter, progress: ProgressChannel, *, stop: Event) -> None:
        """Prepare to listen."""
        super().__init__(stop=stop)
        self._buffer, self._reporter, self._progress = buffer, reporter, progress

    @property
    def pause_s(self) -> float:
        """Return the seconds after which a stop is noticed at the latest."""
        return PAUSE_S

    def step(self, session: sa.Connection, payloads: Sequence[str]) -> None:  # it reads no row
        """Drop the deliveries of the cancelled jobs that `payloads` name."""
        if payloads:
            self.drop(_epochs(payloads))

    def drop(self, epochs: Mapping[UUID, int]) -> None:
        """Drop deliveries of cancelled jobs that are older than the cancel, given as the job's new epoch."""
        dropped = self._buffer.discard(lambda d: d.envelope.epoch < epochs.get(d.job, 0))
        if dropped:
            self._reporter.refused([Refused(delivery, State.CANCELLED) for delivery in dropped])
        self._progress.look()


def _epochs(payloads: Iterable[str]) -> dict[UUID, int]:
    epochs: dict[UUID, int] = {}
    for payload in payloads:
        job, _, epoch = payload.partition(":")
        with suppress(ValueError):
            epochs[UUID(job)] = int(epoch)
    return epochs
