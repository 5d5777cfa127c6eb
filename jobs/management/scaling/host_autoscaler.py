"""The autoscaler's loop: it looks twice a second, and starts or drains the workers of its host."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from threading import Event

import sqlalchemy as sa

from jobs.db.listen_loop import ListenLoop
from jobs.management.scaling.host_workers import HostWorkers
from jobs.services.scaling import autoscaler_rows
from jobs.services.scaling.autoscaler_rows import ScaledGroup
from jobs.worker import process_marks

log = logging.getLogger(__name__)
LOOK_S = 0.5


class HostAutoscaler(ListenLoop):
    """Runs until stopped; what it has started goes on, also while the database is away."""

    def __init__(
        self,
        group: ScaledGroup,
        workers: HostWorkers,
        *,
        stop: Event,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare to scale the workers of a group of models on this host."""
        super().__init__(stop=stop, clock=clock)
        self._group, self._workers = group, workers
        self._target: int | None = None
        self._is_blind = False

    @property
    def pause_s(self) -> float:
        """Return the seconds between two looks."""
        return LOOK_S

    def opened(self, session: sa.Connection) -> None:
        """Enter the row of this host, which another session may have lost."""
        autoscaler_rows.enter(session, self._group, running=self._workers.running)

    def step(self, session: sa.Connection, payloads: Sequence[str]) -> None:  # noqa: ARG002  # no channel notifies it
        """Look once, and start or drain what is to be started or drained."""
        look = autoscaler_rows.look(session, self._group, self._workers.see)
        self._say(look.needed, look.target)
        self._workers.steer(look.target)
        if look.needed is not None:
            self._workers.renew(look.target)
            process_marks.leave(process_marks.AUTOSCALE)

    def _say(self, needed: int | None, target: int) -> None:
        if (needed is None) is not self._is_blind:
            self._is_blind = needed is None
            if self._is_blind:
                log.warning("the relay has not counted lately: nothing is started or drained")
        if target != self._target:
            log.info("%s needed, %d of them here", "unknown" if needed is None else needed, target)
            self._target = target
