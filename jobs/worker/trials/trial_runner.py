"""Takes trials of the models that this worker serves, and runs them one at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Thread

import sqlalchemy as sa
from django.db import Error as DjangoDatabaseError
from django.db import connection

from jobs.core.errors import PayloadUnavailableError
from jobs.db.listen_loop import ListenLoop
from jobs.models.rollouts.version_trial import TrialKind, TrialState
from jobs.services.trials import trial_rows
from jobs.services.trials.trial_rows import TakenTrial, TrialEnd
from jobs.worker.stages.known_code import known_of
from jobs.worker.trials.backtest_trial import BacktestTrial
from jobs.worker.trials.duel_trial import DuelTrial
from jobs.worker.trials.gate_trial import run_gate
from jobs.worker.trials.trial_batch import WorkerBrokenError
from jobs.worker.trials.trial_beat import TrialBeat
from jobs.worker.trials.trial_desk import TrialDesk, TrialPlace, TrialStoppedError
from models_registry.core.registry_errors import StoreFailedError
from models_registry.shared.platform_errors import PlatformError

logger = logging.getLogger(__name__)
IDLE_S = 2.0
LATER_S = 10.0


class TrialRunner(ListenLoop):
    """Looks every two seconds until stopped; `models` returns those that are served now.

    `broken` ends the worker, where a trial lost its device.
    """

    def __init__(
        self,
        place: TrialPlace,
        models: Callable[[], Collection[str]],
        *,
        stop: Event,
        broken: Callable[[str], None],
    ) -> None:
        super().__init__(stop=stop)
        self._place, self._models, self._broken = place, models, broken
        self._later, self.is_idle = False, True

    @property
    def pause_s(self) -> float:
        """Return the seconds until the next look; more after something that a trial needs was away."""
        return LATER_S if self._later else IDLE_S

    def interruptions(self) -> tuple[type[Exception], ...]:
        """Return the errors after which it goes on with a new session, and with its own trial."""
        return (*super().interruptions(), DjangoDatabaseError)

    def step(self, session: sa.Connection, payloads: Sequence[str]) -> None:  # no channel notifies it
        """Take a trial and run it to its end."""
        self._later = False
        if self._place.stopping():
            return
        place = self._place
        try:
            trial = trial_rows.take(
                session, worker=place.worker, node=place.node, models=sorted(self._models())
            )
            if trial is not None:
                self.is_idle = False  # what it measures is not to be disturbed
                self._run(TrialDesk(place, trial, session, spec=trial.spec))
        finally:
            self.is_idle = True
            connection.close()  # the registry's reads; Django closes no connection of a thread of ours

    def _run(self, desk: TrialDesk) -> None:
        trial, place = desk.trial, self._place
        logger.info("trial %d begins: %s of %s", trial.id, trial.kind, trial.model)
        work = _WORK[trial.kind](desk)
        try:
            with _beating(desk):
                ended = work.run()
        except TrialStoppedError:
            return
        except (StoreFailedError, PayloadUnavailableError) as error:
            logger.warning("trial %d is tried again: %s", trial.id, type(error).__name__)
            trial_rows.release(desk.session, place.worker)
            self._later = True
            return
        except WorkerBrokenError:
            self._broken(f"trial {trial.id} lost the device")
            self._stop.set()
            return
        except self.interruptions():
            raise
        except Exception as error:  # noqa: BLE001  # it must end: else it is begun again for ever
            ended = _failed(trial, error)
        trial_rows.end(desk.session, trial, place.worker, ended, work.progress)
        logger.info("trial %d ended: %s", trial.id, ended.state)


class _GateWork:
    """Run a gate as a trial. It keeps no progress: a worker that takes it over runs it from its beginning."""

    progress: dict[str, object] | None = None

    def __init__(self, desk: TrialDesk) -> None:
        self._desk = desk

    def run(self) -> TrialEnd:
        """Run it."""
        return run_gate(self._desk)


_WORK: dict[str, type[_GateWork | DuelTrial | BacktestTrial]] = {
    TrialKind.GATE: _GateWork,
    TrialKind.DUEL: DuelTrial,
    TrialKind.BACKTEST: BacktestTrial,
}


def _failed(trial: TakenTrial, error: Exception) -> TrialEnd:
    """Return the end of a trial that an error ended; of an unexpected one only what loaded code says."""
    if isinstance(error, PlatformError):
        return TrialEnd(TrialState.FAILED, str(error))
    known = known_of(error)
    logger.error("trial %d failed: %s at %s", trial.id, known.code, known.place)
    return TrialEnd(TrialState.FAILED, f"The trial itself failed: {known.code} at {known.place}.")


@contextmanager
def _beating(desk: TrialDesk) -> Iterator[None]:
    stop = Event()
    beat = Thread(target=TrialBeat(desk, stop=stop).run, name="trial-beat", daemon=True)
    beat.start()
    try:
        yield
    finally:
        stop.set()
