"""Keeps a trial this worker's while it runs, whatever its thread is waiting for."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Event

import sqlalchemy as sa

from jobs.db.listen_loop import ListenLoop
from jobs.services.trials import trial_rows
from jobs.worker.trials.trial_desk import TrialDesk

BEAT_S = 2.0


class TrialBeat(ListenLoop):
    """Renews a trial's row until stopped, and stops the trial where it was cancelled or taken."""

    def __init__(self, desk: TrialDesk, *, stop: Event) -> None:
        super().__init__(stop=stop)
        self._desk = desk

    @property
    def pause_s(self) -> float:
        """Return the seconds between two beats."""
        return BEAT_S

    def step(self, session: sa.Connection, payloads: Sequence[str]) -> None:  # no channel notifies it
        """Beat once."""
        spec = trial_rows.beat(session, self._desk.trial, self._desk.place.worker)
        if spec is None:
            self._desk.lost.set()
            self._stop.set()
        else:
            self._desk.spec = spec
