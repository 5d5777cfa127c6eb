"""The context of a batch that runs: what its model reports of each job, and whom a cancel took from it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from threading import Lock
from uuid import UUID

from jobs.services.lifecycle.progress import ProgressReport
from models_registry.core.context import Context, Progress, progress_of


class BatchContext:
    """One claimed batch's, by a job's place in it; its model's threads write and one of the worker's reads.

    `asked` says that the model has asked after a cancel, `cut_short` that it was told of one; `closed` that
    it will report no more.
    """

    def __init__(
        self, batch: UUID, jobs: Sequence[tuple[UUID, int]], tidy: Callable[[str], str] = str
    ) -> None:
        """Begin with `jobs`: their ids and the epochs of their claims; `tidy` reads what is told of them."""
        self.batch, self.jobs, self._tidy = batch, jobs, tidy
        self.asked = self.cut_short = self.closed = False
        self._steps = [0] * len(jobs)
        self._newest: dict[int, Progress] = {}
        self._gone: Collection[int] = frozenset()
        self._lock = Lock()

    def of(self, places: Sequence[int]) -> Context:
        """Return the context of a piece that holds the jobs at `places`."""
        return PieceContext(self, places)

    def report(self, place: int, progress: Progress) -> None:
        """Keep a job's newest report until it is taken."""
        with self._lock:
            self._steps[place] += 1
            self._newest[place] = progress

    def take(self) -> dict[UUID, ProgressReport]:
        """Return what was reported since the last call."""
        with self._lock:
            newest, self._newest = self._newest, {}
            return {self.jobs[at][0]: self._reported(at, told) for at, told in newest.items()}

    def is_gone(self, place: int) -> bool:
        """Say whether a job's verdict will be dropped, whatever it is."""
        self.asked = True
        gone = place in self._gone
        self.cut_short = self.cut_short or gone
        return gone

    def lose(self, jobs: Collection[UUID]) -> None:
        """Note the jobs whose claim is void."""
        self._gone = frozenset(place for place, (job, _) in enumerate(self.jobs) if job in jobs)

    def _reported(self, place: int, told: Progress) -> ProgressReport:
        return ProgressReport(
            self.jobs[place][1], self._steps[place], told.fraction, self._tidy(told.message)
        )


class PieceContext:
    """What a runner is given: indices are of the items of its piece."""

    __slots__ = ("_batch", "_places")

    def __init__(self, batch: BatchContext, places: Sequence[int]) -> None:
        self._batch, self._places = batch, places

    def progress(self, index: int, fraction: float, message: str = "") -> None:
        """Report how much of an item is done."""
        self._batch.report(self._places[index], progress_of(fraction, message))

    def cancelled(self, index: int) -> bool:
        """Say whether an item's output is wanted no more."""
        return self._batch.is_gone(self._places[index])
