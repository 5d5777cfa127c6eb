"""What ended within the last minute, by model, client and worker: the recorder's sliding window.

Each second's counts are added once and taken away once, so a reading costs the same at any rate.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from jobs.core.operations.operations_reading import Percentiles
from jobs.core.operations.spread import Spread, percentiles_of, share_within
from jobs.core.stages import Stage

WINDOW_S = 60
MOST_CLIENTS = 20
# In the order of the road; `admit` and `tell` are of the API's processes, and only in their metrics.
RECORDED = (Stage.OUTBOX, Stage.BROKER, Stage.BUFFER, Stage.CLAIM, Stage.LANE, Stage.RUN, Stage.SETTLE)
Key = TypeVar("Key")


@dataclass(slots=True)
class JobTally:
    """What ended of a model, a client or a worker; all fields add up."""

    succeeded: int = 0
    died: int = 0
    retries: int = 0
    batches: int = 0
    batch_jobs: int = 0
    padded: int = 0  # of the batches of a model that pads
    items: int = 0  # the sizes of their jobs, without the padding
    seals: Counter[str] = field(default_factory=Counter)
    total: Spread = field(default_factory=Spread)
    stages: dict[str, Spread] = field(default_factory=dict)

    @property
    def ended(self) -> int:
        """Return how many jobs ended."""
        return self.succeeded + self.died

    def add(self, other: JobTally, sign: int = 1) -> None:
        """Add what another counted, or with `sign` -1 take it away."""
        for name in ("succeeded", "died", "retries", "batches", "batch_jobs", "padded", "items"):
            setattr(self, name, getattr(self, name) + sign * getattr(other, name))
        _add(self.seals, other.seals, sign)
        _add(self.total, other.total, sign)
        for stage, spread in other.stages.items():
            _add(self.stages.setdefault(stage, Spread()), spread, sign)

    @property
    def is_empty(self) -> bool:
        """Return whether nothing is counted."""
        return not (self.ended or self.batches or self.retries)


def _add(counter: Counter[Key], other: Mapping[Key, int], sign: int) -> None:
    for key, number in other.items():
        counter[key] += sign * number
        if not counter[key]:
            del counter[key]


@dataclass(slots=True)
class EndedJobs:
    """What ended within one second, or within a window: by model's name, client's id and worker's id."""

    models: dict[str, JobTally] = field(default_factory=dict)
    clients: dict[int, JobTally] = field(default_factory=dict)
    workers: dict[str, JobTally] = field(default_factory=dict)

    def add(self, other: EndedJobs, sign: int = 1) -> None:
        """Add what another counted, or with `sign` -1 take it away; what is empty is dropped."""
        _add_all(self.models, other.models, sign)
        _add_all(self.clients, other.clients, sign)
        _add_all(self.workers, other.workers, sign)


def _add_all(mine: dict[Key, JobTally], others: Mapping[Key, JobTally], sign: int) -> None:
    for key, tally in others.items():
        mine.setdefault(key, JobTally()).add(tally, sign)
        if mine[key].is_empty:
            del mine[key]


class RecentModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model's jobs within the window, as stored."""

    succeeded: int
    died: int
    retries: int
    batches: int
    batch_size: float | None
    padding: float | None
    goal_met: float | None
    seals: dict[str, int]
    total: Percentiles
    stages: dict[str, Percentiles]


class RecentOwner(msgspec.Struct, frozen=True, kw_only=True):
    """A client's or a worker's jobs within the window, as stored."""

    ended: int
    total: Percentiles


class RecentJobs(msgspec.Struct, frozen=True, kw_only=True):
    """The window as stored: of `window_s` seconds that end with the second `at`."""

    at: int
    window_s: int
    models: dict[str, RecentModel]
    clients: dict[int, RecentOwner]
    workers: dict[str, RecentOwner]


class RecentWindow:
    """The seconds of the last minute, and their sum."""

    def __init__(self) -> None:
        """Begin without any."""
        self._seconds = deque[tuple[int, EndedJobs]]()
        self._sum = EndedJobs()

    def add(self, second: int, ended: EndedJobs) -> None:
        """Add what ended within a second, and forget what is over a minute older."""
        self._seconds.append((second, ended))
        self._sum.add(ended)
        while self._seconds[0][0] <= second - WINDOW_S:
            _, old = self._seconds.popleft()
            self._sum.add(old, -1)

    def stored(self, goals: Mapping[str, float | None]) -> RecentJobs:
        """Return the window to store; `goals` are those of models, in seconds."""
        busiest = Counter({client: tally.ended for client, tally in self._sum.clients.items()})
        clients = {client: self._sum.clients[client] for client, _ in busiest.most_common(MOST_CLIENTS)}
        return RecentJobs(
            at=self._seconds[-1][0] if self._seconds else 0,
            window_s=self._seconds[-1][0] - self._seconds[0][0] + 1 if self._seconds else 0,
            models={name: _model(tally, goals.get(name)) for name, tally in self._sum.models.items()},
            clients={client: _owner(tally) for client, tally in clients.items()},
            workers={worker: _owner(tally) for worker, tally in self._sum.workers.items()},
        )


def _model(tally: JobTally, goal_s: float | None) -> RecentModel:
    return RecentModel(
        succeeded=tally.succeeded,
        died=tally.died,
        retries=max(tally.retries, 0),
        batches=tally.batches,
        batch_size=tally.batch_jobs / tally.batches if tally.batches else None,
        padding=padding_of(tally),
        goal_met=share_within(tally.total, goal_s) if goal_s else None,
        seals=dict(tally.seals),
        total=percentiles_of(tally.total),
        stages={stage.value: percentiles_of(tally.stages.get(stage, Spread())) for stage in RECORDED},
    )


def _owner(tally: JobTally) -> RecentOwner:
    return RecentOwner(ended=tally.ended, total=percentiles_of(tally.total))


def padding_of(tally: JobTally) -> float | None:
    """Return which share of the padded size was padding; None where nothing was padded."""
    if tally.padded <= 0 or tally.items <= 0:
        return None
    return round(min(max(1 - tally.items / tally.padded, 0.0), 1.0), 4)
