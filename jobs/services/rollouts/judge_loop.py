"""The judge of roll-outs: a loop that looks at each live one every two seconds."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from threading import Event

import sqlalchemy as sa
from django.db import Error as DjangoDatabaseError
from django.db import connection, transaction

from jobs.db import leases
from jobs.db.leases import LeaseLostError
from jobs.db.listen_loop import ListenLoop, first_line
from jobs.db.statement import Statement, run
from jobs.db.troubles import IN_THE_WAY, Trouble, trouble_of
from jobs.services.rollouts.look import Looks, Trials
from jobs.services.rollouts.take_back import any_take_back, note_late, take_back
from models_registry.core.rollouts.rollout_states import LIVE

log = logging.getLogger(__name__)

EVERY_S = 2.0
TAKING_BACK_S = 0.5
LATE_S = 30.0
LATE_PART = 0.01  # of the time may go into looking for jobs that came late: in a deep queue that takes long
# The one statement of a look where nothing is rolled out; jobs_takeback is empty then.
_LIVE = Statement(
    """
SELECT id FROM models_registry_rollout WHERE state = ANY(%(live)s::text[])
UNION ALL SELECT -1 WHERE EXISTS (SELECT FROM jobs_takeback) ORDER BY id
""",
    int,
)
_TAKES_BACK = -1
_OF_ONE = IN_THE_WAY | {Trouble.TIMEOUT}  # troubles that another roll-out need not have
_LIVE_STATES = sorted(state.value for state in LIVE)


class RolloutJudge(ListenLoop):
    """Judges until stopped; one process at a time does, and one that lost its lease changes nothing."""

    office = leases.ROLLOUT_JUDGE

    def __init__(self, *, stop: Event, trials: Trials, clock: Callable[[], float] = time.monotonic) -> None:
        """Prepare to judge; `trials` runs gates and duels, `clock` returns monotonic seconds."""
        super().__init__(stop=stop, clock=clock)
        self._trials, self._pause_s, self._look_next_s = trials, EVERY_S, 0.0
        self._looks, self._late_next_s = Looks(trials, clock=clock), clock() + LATE_S

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
        self._look_for_late(session)
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

    def _look_for_late(self, session: sa.Connection) -> None:
        began_s = self._clock()
        if began_s < self._late_next_s:
            return
        for rollout in note_late(session):
            log.warning("roll-out %d: jobs came late to its stopped candidate, and are taken back", rollout)
        ended_s = self._clock()
        self._late_next_s = ended_s + max(LATE_S, (ended_s - began_s) / LATE_PART)

    def _look(self, session: sa.Connection, rollout: int) -> bool:
        """Look at one roll-out and return whether there is more to read; one that fails holds no other up."""
        leases.keep(session)
        try:
            with transaction.atomic():
                leases.fence_here(session)
                return self._looks.look(rollout)
        except LeaseLostError:
            raise
        except Exception as error:  # noqa: BLE001  # also of a row that this code cannot read
            _leave(rollout, error)
        return False

    def _take_back(self, session: sa.Connection) -> None:
        """Take the jobs of each stopped candidate back; one that fails holds no other up."""
        for back in any_take_back(session):
            self._pause_s = TAKING_BACK_S
            try:
                take_back(session, back, lambda: leases.keep(session))
            except LeaseLostError:
                raise
            except Exception as error:  # noqa: BLE001  # as above
                _leave(back.rollout, error)


def _leave(rollout: int, error: Exception) -> None:
    """Log what one roll-out failed of; raise it where it is the database's trouble, which all others have."""
    trouble = trouble_of(error)
    if trouble in _OF_ONE:
        log.warning("roll-out %d is left for the next look: %s", rollout, first_line(error))
    elif trouble is None:
        log.error("roll-out %d is left for the next look", rollout, exc_info=error)
    else:
        raise error
