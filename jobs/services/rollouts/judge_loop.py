"""The judge of roll-outs: a loop that looks at each live one every two seconds."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from threading import Event

import sqlalchemy as sa
from django.db import Error as DjangoDatabaseError
from django.db import connection, transaction

from jobs.core.errors import PlatformError
from jobs.db import leases
from jobs.db.listen_loop import ListenLoop
from jobs.db.statement import Statement, run
from jobs.db.troubles import IN_THE_WAY, trouble_of
from jobs.services.rollouts.look import Looks, Trials
from jobs.services.rollouts.take_back import any_take_back, take_back
from models_registry.core.rollouts.rollout_states import LIVE

log = logging.getLogger(__name__)

EVERY_S = 2.0
TAKING_BACK_S = 0.5
# The one statement of a look where nothing is rolled out; jobs_takeback is empty then.
_LIVE = Statement(
    """
SELECT id FROM models_registry_rollout WHERE state = ANY(%(live)s::text[])
UNION ALL SELECT -1 WHERE EXISTS (SELECT FROM jobs_takeback) ORDER BY id
""",
    int,
)
_TAKES_BACK = -1
_LIVE_STATES = sorted(state.value for state in LIVE)


class RolloutJudge(ListenLoop):
    """Judges until stopped; one process at a time does, and one that lost its lease changes nothing."""

    office = leases.ROLLOUT_JUDGE

    def __init__(self, *, stop: Event, trials: Trials, clock: Callable[[], float] = time.monotonic) -> None:
        """Prepare to judge; `trials` runs gates and duels, `clock` returns monotonic seconds."""
        super().__init__(stop=stop, clock=clock)
        self._trials, self._pause_s, self._look_next_s = trials, EVERY_S, 0.0
        self._looks = Looks(trials, clock=clock)

    @property
    def pause_s(self) -> float:
        """Return the seconds until the next look is due."""
        return self._pause_s

    def interruptions(self) -> tuple[type[Exception], ...]:
        """Return the errors after which it goes on with a new session."""
        return (*super().interruptions(), DjangoDatabaseError)

    def opened(self, session: sa.Connection) -> None:  # noqa: ARG002  # nothing is read here
        """Forget what another judge may have changed."""
        self._looks, self._look_next_s = Looks(self._trials, clock=self._clock), 0.0

    def step(self, session: sa.Connection, payloads: Sequence[str]) -> None:  # noqa: ARG002  # no channel notifies it
        """Look at each live roll-out where that is due, and take jobs of stopped ones back."""
        live = run(session, _LIVE, {"live": _LIVE_STATES})
        self._pause_s = EVERY_S
        if not live:
            return
        try:
            if self._clock() >= self._look_next_s:
                self._look_next_s = self._clock() + EVERY_S
                looks = [self._look(session, rollout) for rollout in live if rollout != _TAKES_BACK]
                if any(looks):  # there are more tallies than one look reads
                    self._look_next_s = 0.0
            self._take_back(session)
        finally:
            connection.close()  # the services' own; Django closes no connection of a thread of ours
        self._pause_s = min(self._pause_s, max(0.0, self._look_next_s - self._clock()))

    def _look(self, session: sa.Connection, rollout: int) -> bool:
        """Look at one roll-out and return whether there is more to read; one that fails holds no other up."""
        leases.keep(session)
        try:
            with transaction.atomic():
                leases.fence_here(session)
                return self._looks.look(rollout)
        except PlatformError as error:
            log.error("roll-out %d is left for the next look: %s", rollout, error)  # noqa: TRY400
        except DjangoDatabaseError as error:
            if trouble_of(error) not in IN_THE_WAY:
                raise
            log.warning("roll-out %d is left for the next look: %s", rollout, " ".join(str(error).split()))
        return False

    def _take_back(self, session: sa.Connection) -> None:
        for back in any_take_back(session):
            take_back(session, back, lambda: leases.keep(session))
            self._pause_s = TAKING_BACK_S
