"""The context of a running batch: what its model reports of each job, and which jobs were cancelled."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from threading import Lock
from uuid import UUID

from jobs.services.lifecycle.progress import ProgressReport
from models_registry.core.context import Context, Progress, progress_of


class BatchContext:
    """Reports and cancels of one claimed batch, by each job's place; the model's threads write, one reads.

    `polls_cancels` means that the model has asked for a cancel, `cut_short` that the answer was yes, and
    `closed` that the model reports no more.
    """

    def __init__(
        self, batch: UUID, jobs: Sequence[tuple[UUID, int]], shown: Callable[[str], str] = str
    ) -> None:
        """Begin with `jobs`, their ids and the epochs of their claims; `shown` returns the text to keep."""
        self.batch, self.jobs, self._shown = batch, jobs, shown
        self.polls_cancels = self.cut_short = self.closed = False
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
            return {self.jobs[place][0]: self._report_of(place, last) for place, last in newest.items()}

    def is_gone(self, place: int) -> bool:
        """Return whether a job's verdict will be dropped."""
        self.polls_cancels = True
        gone = place in self._gone
        self.cut_short = self.cut_short or gone
        return gone

    def lose(self, jobs: Collection[UUID]) -> None:
        """Note the jobs whose claim is void."""
        self._gone = frozenset(place for place, (job, _) in enumerate(self.jobs) if job in jobs)

    def _report_of(self, place: int, progress: Progress) -> ProgressReport:
        message = self._shown(progress.message)
        return ProgressReport(self.jobs[place][1], self._steps[place], progress.fraction, message)


class PieceContext:
    """The context that a runner gets: its indices count the items of one piece."""

    __slots__ = ("_batch", "_places")

    def __init__(self, batch: BatchContext, places: Sequence[int]) -> None:
        self._batch, self._places = batch, places

    def progress(self, index: int, fraction: float, message: str = "") -> None:
        """Report how much of an item is done."""
        self._batch.report(self._places[index], progress_of(fraction, message))

    def cancelled(self, index: int) -> bool:
        """Return whether an item's output will be dropped."""
        return self._batch.is_gone(self._places[index])
