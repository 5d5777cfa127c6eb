"""The rows of the history: of each model and of all together, for a second or a minute."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from jobs.core.operations.recent_jobs import JobTally
from jobs.core.operations.spread import percentiles_of

MINUTE_S = 60
ALL = ""
MOST_MODELS = 50  # the busiest; the row of all models counts the others too


class QueueLook(msgspec.Struct, frozen=True, kw_only=True):
    """What the surveyor counted of a model, for its row of one second."""

    waiting: int
    oldest_s: float
    in_per_s: float
    workers: int | None


class HistoryStep(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the history, by the names of its columns."""

    step_s: int
    at: int
    queue: str
    in_per_s: float | None
    out_per_s: float
    waiting: int | None
    oldest_s: float | None
    p50_s: float | None
    p95_s: float | None
    p99_s: float | None
    batch_size: float | None
    failed_per_s: float
    workers: int | None


@dataclass(slots=True)
class _Steps:
    """What a model's steps have been so far: of one second, or of those of a minute."""

    ended: JobTally = field(default_factory=JobTally)
    looks: list[QueueLook] = field(default_factory=list)

    def row(self, model: str, *, at: int, step_s: int, seconds: int) -> HistoryStep:
        """Return the row of a step of which `seconds` were recorded."""
        times, ended = percentiles_of(self.ended.total), self.ended
        number = len(self.looks)
        return HistoryStep(
            step_s=step_s,
            at=at,
            queue=model,
            in_per_s=sum(look.in_per_s for look in self.looks) / number if number else None,
            out_per_s=ended.ended / seconds,
            waiting=round(sum(look.waiting for look in self.looks) / number) if number else None,
            oldest_s=max((look.oldest_s for look in self.looks), default=None),
            p50_s=times.p50_s,
            p95_s=times.p95_s,
            p99_s=times.p99_s,
            batch_size=ended.batch_jobs / ended.batches if ended.batches else None,
            failed_per_s=(ended.died + max(ended.retries, 0)) / seconds,
            workers=self.looks[-1].workers if number else None,
        )

    @property
    def weight(self) -> float:
        """Return how busy the model was: quiet ones have no row."""
        return (
            self.ended.ended + self.ended.batches + sum(look.waiting + look.in_per_s for look in self.looks)
        )


class HistorySteps:
    """Makes the rows of each second, and of each minute once it is over."""

    def __init__(self) -> None:
        """Begin with no minute."""
        self._minute: dict[str, _Steps] = {}
        self._minute_at, self._seconds = 0, 0

    def add(
        self, second: int, ended: Mapping[str, JobTally], looks: Mapping[str, QueueLook] | None
    ) -> list[HistoryStep]:
        """Return the rows to store after `second`; `looks` is None where the surveyor's count is too old."""
        rows = []
        if second - second % MINUTE_S != self._minute_at:
            rows = _rows(self._minute, at=self._minute_at, step_s=MINUTE_S, seconds=self._seconds)
            self._minute, self._minute_at, self._seconds = {}, second - second % MINUTE_S, 0
        steps = _of_second(ended, looks)
        self._seconds += 1
        for model, step in steps.items():
            minute = self._minute.setdefault(model, _Steps())
            minute.ended.add(step.ended)
            minute.looks += step.looks
        return rows + _rows(steps, at=second, step_s=1, seconds=1)


def _of_second(ended: Mapping[str, JobTally], looks: Mapping[str, QueueLook] | None) -> dict[str, _Steps]:
    steps = {model: _Steps() for model in {*ended, *(looks or {})}}
    every = steps[ALL] = _Steps()
    for model, tally in ended.items():
        steps[model].ended.add(tally)
        every.ended.add(tally)
    for model, look in (looks or {}).items():
        steps[model].looks.append(look)
    if looks is not None:
        every.looks.append(_together([*looks.values()]))
    return steps


def _together(looks: Sequence[QueueLook]) -> QueueLook:
    return QueueLook(
        waiting=sum(look.waiting for look in looks),
        oldest_s=max((look.oldest_s for look in looks), default=0.0),
        in_per_s=sum(look.in_per_s for look in looks),
        workers=None,  # one may serve several models
    )


def _rows(steps: Mapping[str, _Steps], *, at: int, step_s: int, seconds: int) -> list[HistoryStep]:
    return [step.row(model, at=at, step_s=step_s, seconds=seconds) for model, step in _shown(steps)]


def _shown(steps: Mapping[str, _Steps]) -> Iterator[tuple[str, _Steps]]:
    """Yield all together first, then the busiest models that were not quiet."""
    if ALL in steps:
        yield ALL, steps[ALL]
    busy = [(model, step) for model, step in steps.items() if model != ALL and step.weight > 0]
    yield from sorted(busy, key=lambda pair: -pair[1].weight)[:MOST_MODELS]
