"""Runs the copies of shadows whose versions this worker holds, below everything else that it does."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from threading import Event

import sqlalchemy as sa
from django.db import Error as DjangoDatabaseError
from django.db import connection

from jobs.core.shadow.copy_pace import CopyPace
from jobs.db import database_clock
from jobs.db.listen_loop import ListenLoop
from jobs.db.session import transaction
from jobs.services.shadow import shadow_rows
from jobs.services.shadow.copying import copies_run
from jobs.services.shadow.shadow_acts import note_stop
from jobs.services.shadow.shadow_rows import RunningShadow
from jobs.worker.shadow.shadow_run import ShadowDesk, ShadowRun
from jobs.worker.stages.known_code import known_of
from jobs.worker.trials.trial_batch import WorkerBrokenError
from jobs.worker.trials.trial_desk import TrialPlace, TrialStoppedError
from models_registry.loaders.ready import Loaded
from models_registry.shared.platform_errors import PlatformError

logger = logging.getLogger(__name__)
NONE_S = 2.0  # until the next look while no shadow runs
LOOK_S = 0.25  # while one does, and no copy could be run
AGAIN_S = 0.02
READ_EVERY_S = 1.0
ACTOR = "platform"


class ShadowRunner(ListenLoop):
    """Looks until stopped; `models` returns those that are served now.

    `is_quiet` returns whether the worker has nothing else to do; `broken` ends the worker, where a copy lost
    its device.
    """

    def __init__(
        self,
        place: TrialPlace,
        models: Callable[[], Collection[str]],
        is_quiet: Callable[[], bool],
        *,
        stop: Event,
        broken: Callable[[str], None],
    ) -> None:
        super().__init__(stop=stop)
        self._place, self._models, self._is_quiet, self._broken = place, models, is_quiet, broken
        self._shadows: Sequence[RunningShadow] = ()
        self._paces: dict[int, CopyPace] = {}
        self._read_next_s, self._ran = 0.0, False

    @property
    def pause_s(self) -> float:
        """Return the seconds until the next look."""
        if not self._shadows:
            return NONE_S
        return AGAIN_S if self._ran else LOOK_S

    def interruptions(self) -> tuple[type[Exception], ...]:
        """Return the errors after which it goes on with a new session."""
        return (*super().interruptions(), DjangoDatabaseError)

    def opened(self, session: sa.Connection) -> None:
        """Give up what it had in hand when the last session broke."""
        shadow_rows.release(session, self._place.worker)

    def step(self, session: sa.Connection, payloads: Sequence[str]) -> None:  # no channel notifies it
        """Run copies of each shadow while nothing else is to do."""
        self._ran = False
        if self._place.stopping():
            return
        models = sorted(self._models())
        self._read(session, models)
        desk = ShadowDesk(self._place, session, models, self._is_quiet)
        try:
            for shadow in self._shadows:
                if self._is_quiet() and copies_run():
                    self._ran |= self._run(desk, shadow)
        except TrialStoppedError:
            return
        finally:
            connection.close()  # the registry's reads; Django closes no connection of a thread of ours

    def _read(self, session: sa.Connection, models: Sequence[str]) -> None:
        now = self._clock()
        if now < self._read_next_s:
            return
        self._read_next_s = now + READ_EVERY_S
        self._shadows = shadow_rows.running(session, models)
        if self._shadows and database_clock.is_stale():
            database_clock.measure(session)
        self._paces = {row.rule: pace for row in self._shadows if (pace := self._paces.get(row.rule))}

    def _run(self, desk: ShadowDesk, shadow: RunningShadow) -> bool:
        if (known := self._paces.get(shadow.rule)) is not None and known.rests(self._clock()):
            return False
        with self._held(shadow.stable) as stable, self._held(shadow.version) as candidate:
            if stable is None or candidate is None:
                return False  # it is being loaded, as whatever a rule names
            try:
                return ShadowRun(shadow, candidate, stable, self._pace(shadow, candidate, stable)).run(desk)
            except WorkerBrokenError:
                self._broken(f"a copy for rule {shadow.rule} lost the device")
                self._stop.set()
            except TrialStoppedError:
                raise
            except self.interruptions():
                raise
            except Exception as error:  # noqa: BLE001  # it would fail at each copy, and log for ever
                self._fail(desk.session, shadow, error)
        return False

    def _pace(self, shadow: RunningShadow, candidate: Loaded, stable: Loaded) -> CopyPace:
        if shadow.rule not in self._paces:
            device = self._place.loader.pool.device
            most = min(loaded.info.on(device).max_batch for loaded in (candidate, stable))
            self._paces[shadow.rule] = CopyPace(shadow.batch_s, most, shadow.time_share)
        return self._paces[shadow.rule]

    @contextmanager
    def _held(self, version: int) -> Iterator[Loaded | None]:
        """Keep a version in memory while the block runs; None where it is not there."""
        loader = self._place.loader
        loaded = loader.pool.hold(version, promised=loader.promised(version))
        if loaded is not None:
            loader.taken(version)
        try:
            yield loaded
        finally:
            if loaded is not None:
                loader.pool.release(version)

    def _fail(self, session: sa.Connection, shadow: RunningShadow, error: Exception) -> None:
        """Stop a shadow that an error ended; of an unexpected one only what loaded code says is shown."""
        known = known_of(error)
        reason = str(error) if isinstance(error, PlatformError) else f"{known.code} at {known.place}"
        logger.error("the shadow of rule %d is stopped: %s at %s", shadow.rule, known.code, known.place)
        shadow_rows.release(session, self._place.worker)
        with transaction(session):
            note_stop(
                session,
                shadow.rule,
                actor=ACTOR,
                reason=f"Its copies could not be run: {reason.rstrip('.')}.",
            )
        self._read_next_s = 0.0
