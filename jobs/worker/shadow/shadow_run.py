"""The copies of one shadow at one worker: taken, run by both versions, counted, while nothing else waits."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from jobs.core.errors import PayloadUnavailableError
from jobs.core.shadow.copy_pace import CopyPace
from jobs.core.shadow.shadow_counts import ShadowCounts
from jobs.core.states import State
from jobs.core.trials.backtest_counts import Comparison
from jobs.payloads import vault
from jobs.services.shadow import shadow_rows
from jobs.services.shadow.shadow_rows import RunningShadow
from jobs.services.shadow.shadow_spec import shadow_spec
from jobs.services.trials.stored_inputs import read_inputs
from jobs.worker.trials.own_comparison import own_comparison
from jobs.worker.trials.paired_runs import PairedRun, paired_runs
from jobs.worker.trials.trial_batch import WorkerBrokenError
from jobs.worker.trials.trial_desk import TrialPlace, TrialStoppedError
from models_registry.loaders.ready import Loaded
from models_registry.shared.platform_errors import PlatformError

NOISE_SHARE = 0.1
COUNT_EVERY_S = 2.0


class WorkerBusyError(Exception):
    """The worker has got other work, so copies in hand are given up: a hand must not stay open meanwhile."""


@dataclass(frozen=True, slots=True)
class ShadowDesk:
    """What a worker lends to its shadows, on a session of their own."""

    place: TrialPlace
    session: sa.Connection
    models: Sequence[str]
    is_quiet: Callable[[], bool]

    def wait_for_turn(self) -> None:
        """Let a batch run at once, or raise TrialStoppedError (it stops) or WorkerBusyError (it has work)."""
        if self.place.stopping():
            raise TrialStoppedError
        if not self.is_quiet():
            raise WorkerBusyError

    def go_on(self) -> None:
        """Let the other version run at once, or raise as above: a job waits for one run, not for both."""
        self.wait_for_turn()


class ShadowRun:
    """Runs one shadow's copies until the worker has other work, or no copy waits."""

    def __init__(self, shadow: RunningShadow, candidate: Loaded, stable: Loaded, pace: CopyPace) -> None:
        """Begin with a shadow and its versions in memory."""
        self.shadow, self._pace = shadow, pace
        self._candidate, self._stable = candidate, stable
        self._counts, self._in_hand, self._counted_at = ShadowCounts(), False, time.monotonic()
        self._unrun = 0  # copies in hand whose batch has not run
        self._by = _comparison(candidate, stable)
        self._too_long_s = ShadowCounts.of(shadow.counts).too_long_s

    def run(self, desk: ShadowDesk) -> bool:
        """Run copies while the worker is quiet; return whether some were run.

        WorkerBrokenError: then the copies stay in hand. TrialStoppedError, PlatformError.
        """
        began = False
        try:
            while not desk.place.stopping() and desk.is_quiet() and self._run_some(desk):
                began = True
                if time.monotonic() - self._counted_at >= COUNT_EVERY_S:
                    self._count(desk)
        except WorkerBrokenError:
            raise
        except WorkerBusyError:
            began = True
        except (TrialStoppedError, PlatformError):
            self._count(desk)
            raise
        self._count(desk)
        return began

    def _run_some(self, desk: ShadowDesk) -> bool:
        now = time.monotonic()
        self._note_too_long(desk)
        most = 0 if self._pace.rests(now) else self._pace.size(now)
        if not most:
            return False
        jobs = shadow_rows.take(
            desk.session, self.shadow, worker=desk.place.worker, models=desk.models, most=most
        )
        if not jobs:
            return False
        self._in_hand, began = True, time.monotonic()
        try:
            self._run_batch(desk, jobs)
        finally:
            now = time.monotonic()
            self._pace.spent(now - began, now)
        return True

    def _run_batch(self, desk: ShadowDesk, jobs: Sequence[UUID]) -> None:
        rows = [row for row in read_inputs(desk.session, jobs) if row.state != State.CANCELLED]
        stored = [row for row in rows if row.body is not None]
        skipped = self._counts.pairs.skipped
        skipped.gone += sum(row.body is None for row in rows)
        skipped.cancelled += len(jobs) - len(rows)
        self._unrun = len(stored)
        is_noise = random.random() < NOISE_SHARE  # noqa: S311  # a sample, not a secret
        ours = self._stable if is_noise else self._candidate
        try:
            for run in paired_runs(desk, stored, ours, self._stable):
                self._unrun -= len(run.pairs) + len(run.unreadable)
                self._add(run, is_noise=is_noise)
        except PayloadUnavailableError:  # a copy is not tried again
            skipped.unreadable += self._unrun
            self._unrun = 0

    def _add(self, run: PairedRun, *, is_noise: bool) -> None:
        pairs, seconds = self._counts.pairs, run.seconds
        pairs.skipped.unreadable += len(run.unreadable)
        if seconds is not None and seconds[1] is not None and not is_noise:
            self._pace.ran(run.size, seconds[0] + seconds[1], time.monotonic())
            if self._pace.one_s is not None:  # the first batch shows what has yet to be prepared
                pairs.times.add(run.size, *seconds)
        for pair in run.pairs:
            if not is_noise:
                pairs.add(pair, self._by)
            elif (compared := pair.compared(self._by.spec.agreement, self._by.own)) is not None:
                self._counts.noise_compared += 1
                self._counts.noise_agreed += compared.agrees

    def _count(self, desk: ShadowDesk) -> None:
        if not self._in_hand:
            return
        self._counts.too_long_s = self._too_long_s
        more, self._counts = self._counts, ShadowCounts()
        lost, self._unrun = self._unrun, 0
        self._in_hand, self._counted_at = False, time.monotonic()
        shadow_rows.count(desk.session, self.shadow.rule, desk.place.worker, more, lost=lost)

    def _note_too_long(self, desk: ShadowDesk) -> None:
        """Store, where that changes, that already one copy takes too long to run."""
        too_long_s = self._pace.too_long_s
        if (too_long_s is None) != (self._too_long_s is None):
            self._too_long_s = too_long_s
            shadow_rows.note_too_long(desk.session, self.shadow.rule, too_long_s)


def _comparison(candidate: Loaded, stable: Loaded) -> Comparison:
    """Return how outputs are compared; LoaderRefusedError or LoadFailedError where that is not there."""
    spec = shadow_spec(candidate.info, stable.info)
    own = own_comparison(spec.agreement, guarded=spec.guarded)
    return Comparison(spec, own, (lambda label: str(vault.token(label))) if spec.guarded else str)
