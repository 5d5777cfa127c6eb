"""All places for workers of one host: which start, serve, drain or have died, and which is next."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from jobs import metrics
from jobs.core.scaling.start_backoff import SETTLED_S, StartBackoff
from jobs.management.scaling.worker_place import WorkerCommand, WorkerPlace, running_workers
from jobs.services.scaling.autoscaler_rows import LIVE_S, HostState, LiveWorker

log = logging.getLogger(__name__)
KILL_AFTER_S = 15.0  # beyond a worker's own grace


class HostWorkers:
    """Starts, adopts, drains and counts workers; the caller says how many there are to be."""

    def __init__(
        self,
        places: Sequence[WorkerPlace],
        command: WorkerCommand,
        *,
        grace_s: float,
        start_limit_s: float,
        clock: Callable[[], float],
    ) -> None:
        """Prepare for these places.

        A draining worker may take `grace_s` seconds and some more, a starting one `start_limit_s`.
        """
        self.places, self._command = places, command
        self._grace_s, self._start_limit_s, self._clock = grace_s, start_limit_s, clock
        self._backoff = StartBackoff()  # a model that ends every worker is no fault of a place
        self._busy: frozenset[str] = frozenset()
        self._start_s: float | None = None
        self._seen_s = self._clock()

    def adopt(self) -> int:
        """Take over the workers that run already, and drain those without a place; return how many run."""
        places = {self._command.mark(place): place for place in self.places}
        for mark, process in running_workers(self._command.lock):
            place = places.get(mark)
            if place is None:
                log.warning("drains process %d: there is no place any more for worker %s", process.pid, mark)
                with suppress(psutil.NoSuchProcess):
                    process.terminate()
                continue
            place.adopt(self._command, process, self._clock())
            metrics.AUTOSCALER_EVENTS.labels("adopted").inc()
            words = ": it is replaced, because its models or options are others" if place.is_outdated else ""
            log.info("adopts %s (process %d)%s", place.name, process.pid, words)
        return self.running

    def renew(self, target: int) -> None:
        """Drain one adopted worker with other models or options, once the others serve and none has died.

        So the host has one worker less at a time, and a mistake in the new options costs one.
        """
        old = [place for place in self.places if place.runs and place.is_outdated]
        unsettled = [
            place
            for place in self.places
            if place.backoff.deaths or place.drained_s is not None or (place.starts and not place.is_outdated)
        ]
        if old and not unsettled and self.running >= target:
            log.info("drains %s, to start it with the options of now", old[0].name)
            self._drain(old[0], self._clock())

    @property
    def running(self) -> int:
        """Return how many workers run and are not to end."""
        return sum(place.runs for place in self.places)

    @property
    def left(self) -> int:
        """Return how many worker processes there are, those that are to end included."""
        return sum(place.process is not None for place in self.places)

    def see(self, workers: Sequence[LiveWorker]) -> HostState:
        """Note which workers have ended, died, begun to serve; return what the host has and could have."""
        now_s = self._clock()
        self._reap(now_s)
        self._begin_limits_anew(now_s)
        rows = {worker.node: worker for worker in workers if worker.here}
        self._busy = frozenset(node for node, worker in rows.items() if worker.busy)
        for place in self.places:
            self._compare(place, rows.get(place.node), now_s)
        starting = [now_s - place.started_s for place in self.places if place.starts]
        start_s, self._start_s = self._start_s, None
        return HostState(
            self._usable(now_s),
            self.running,
            start_s,
            max(starting, default=None),
            starting=len(starting),
            draining=self.left - self.running,
            deaths=self._backoff.deaths,
            pause_s=self._backoff.pause_s(now_s),
        )

    def steer(self, target: int) -> None:
        """Start or drain workers until `target` run; kill those whose time is over."""
        now_s = self._clock()
        for place in self._startable(now_s)[: max(0, target - self.running)]:
            self._start(place, now_s)
        for place in self._drainable()[: max(0, self.running - target)]:
            log.info("drains %s", place.name)
            self._drain(place, now_s)
        self._end_overdue(now_s)
        self._count(target)

    def tend(self) -> None:
        """Note which workers have ended, and kill those whose time is over."""
        self._reap(self._clock())
        self._end_overdue(self._clock())

    def _reap(self, now_s: float) -> None:
        for place in self.places:
            was_to_end = place.drained_s is not None
            status = place.ended()
            if status is None:
                continue
            place.drained_s = None
            if was_to_end or not status:
                log.info("%s has ended", place.name)
                continue
            pause_s = max(self._backoff.died(now_s), place.backoff.died(now_s))
            metrics.AUTOSCALER_EVENTS.labels("died").inc()
            log.error("%s died with status %d: the next start is in %.0f s", place.name, status, pause_s)

    def _begin_limits_anew(self, now_s: float) -> None:
        """Begin the limit of each start anew where the host did not look for LIVE_S seconds."""
        if now_s - self._seen_s > LIVE_S:
            for place in self.places:
                place.watched_s = now_s
        self._seen_s = now_s

    def _compare(self, place: WorkerPlace, row: LiveWorker | None, now_s: float) -> None:
        if place.process is None:
            was, place.is_foreign = place.is_foreign, row is not None and psutil.pid_exists(row.pid)
            if place.is_foreign and not was:
                log.warning("%s is the name of another worker: this place is left free", place.node)
        elif row is not None and row.pid == place.process.pid and place.ready_s is None:
            place.ready_s = now_s
            self._start_s = now_s - place.started_s if place.child is not None else self._start_s
        if place.ready_s is not None and place.runs and now_s - place.ready_s >= SETTLED_S:
            place.backoff.settled()
            self._backoff.settled()

    def _usable(self, now_s: float) -> int:
        """Return how many workers could run here: where none may be started now, other hosts are to."""
        return self.left + len(self._startable(now_s))

    def _startable(self, now_s: float) -> list[WorkerPlace]:
        """Return the free places, those with the fewest deaths first; none while the group backs off."""
        if not self._backoff.allows(now_s):
            return []
        free = [
            place
            for place in self.places
            if place.process is None and not place.is_foreign and place.backoff.allows(now_s)
        ]
        return sorted(free, key=lambda place: (place.backoff.deaths, place.number))

    def _drainable(self) -> list[WorkerPlace]:
        """Return the workers that run, those first whose end costs least: starting, idle, then the last."""
        running = [place for place in self.places if place.runs]
        return sorted(
            running,
            key=lambda place: (
                not place.starts, not place.is_outdated, place.node in self._busy, -place.number,
            ),
        )  # fmt: skip

    def _drain(self, place: WorkerPlace, now_s: float) -> None:
        place.drain(now_s)
        metrics.AUTOSCALER_EVENTS.labels("drained").inc()

    def _start(self, place: WorkerPlace, now_s: float) -> None:
        try:
            place.start(self._command, now_s)
        except OSError as error:
            pause_s = self._backoff.died(now_s)
            log.error("%s cannot be started, again in %.0f s: %s", place.name, pause_s, error)  # noqa: TRY400  # its sentence is enough
            return
        metrics.AUTOSCALER_EVENTS.labels("started").inc()
        log.info("starts %s (process %d)", place.name, place.process.pid if place.process else 0)

    def _end_overdue(self, now_s: float) -> None:
        for place in self.places:
            if place.is_overdue(now_s - self._grace_s - KILL_AFTER_S):
                why = "did not end within its grace"
            elif place.is_stuck(now_s - self._start_limit_s):  # its end counts as a death
                why = f"has not served after {self._start_limit_s:.0f} s"
            else:
                why = ""
            if why:
                log.error("%s %s: it is killed", place.name, why)
                place.kill()
                metrics.AUTOSCALER_EVENTS.labels("killed").inc()

    def _count(self, target: int) -> None:
        states = Counter(_state(place) for place in self.places if place.process is not None)
        for state in ("starting", "serving", "draining"):
            metrics.AUTOSCALER_WORKERS.labels(state).set(states[state])
        metrics.AUTOSCALER_TARGET.set(target)


def _state(place: WorkerPlace) -> str:
    if place.drained_s is not None:
        return "draining"
    return "starting" if place.starts else "serving"


def make_places(*, host: str, gpus: Sequence[str], cpus: int, first_index: int) -> list[WorkerPlace]:
    """Return a place for each GPU, or so many on the CPU; their workers are numbered from `first_index`."""
    devices: list[tuple[str, ...]] = [("--gpu", gpu) for gpu in gpus] or [("--cpu",)] * cpus
    return [WorkerPlace(number, first_index + number, host, device) for number, device in enumerate(devices)]


def lock_of(folder: Path, host: str) -> Path:
    """Return the path of the lock of this host's autoscaler."""
    return folder / f"autoscale-{host}.lock"
