"""A count of the jobs that wait for one model, the base of every estimate. Pure.

The surveyor counts the outbox about twice a second, so that no request has to.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple
from uuid import UUID

from jobs.core.ids import unix_ms_of
from jobs.core.priority import HIGHEST

PRIORITIES = HIGHEST + 1
COUNT_EVERY_S = 0.5
MOST_CLIENTS = 100  # per priority; a client with fewer jobs hardly changes the place of others
_NO_CLIENTS: Mapping[int, int] = MappingProxyType({})


class Span(NamedTuple):
    """The waiting jobs of one priority and client: ages in seconds, and the first and the last id as text."""

    head_age_s: float
    mean_age_s: float
    first: str
    last: str

    def rank(self, job: UUID) -> float | None:
        """Return which part of the jobs comes before `job`, where they came in one call; else None.

        The ids of a call are numbered from a random one on.
        """
        first, last = UUID(self.first), UUID(self.last)
        if unix_ms_of(first) != unix_ms_of(last):
            return None
        if not first <= job <= last or first == last:
            return 0.0 if job <= first else 1.0
        return (job.int - first.int) / (last.int - first.int)


_NO_SPANS: Mapping[int, Span] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class QueueCount:
    """The jobs that waited for a model, by API priority 0 to 9, and how fast its workers finish jobs.

    | field | meaning |
    |---|---|
    | `head_age_s`, `mean_age_s` | seconds for which the first job of each priority has waited, and the mean |
    | `per_s` | jobs that the workers finish a second; None without workers or before their first run |
    | `answer_s` | seconds from the claim of a job to its stored outcome |
    | `arriving_per_s` | jobs that all processes together admitted a second before the count |
    | `by_client` | the waiting jobs of each priority by client id, as far as counted |
    | `spans` | when and between which ids these began to wait |
    | `workers` | live workers that serve the model; None where they were not counted |
    | `arrivals_per_s` | the same arrivals over about ten seconds; None before the second count |
    | `worker_per_s` | what one worker finishes a second, also when none is left; None before the first run |
    | `start_s` | seconds until the next worker that an autoscaler starts serves it; None without one |
    """

    waiting: tuple[int, ...] = (0,) * PRIORITIES
    head_age_s: tuple[float, ...] = (0.0,) * PRIORITIES
    mean_age_s: tuple[float, ...] = (0.0,) * PRIORITIES
    per_s: float | None = None
    answer_s: float = 0.0
    arriving_per_s: float = 0.0
    by_client: tuple[Mapping[int, int], ...] = (_NO_CLIENTS,) * PRIORITIES
    spans: tuple[Mapping[int, Span], ...] = (_NO_SPANS,) * PRIORITIES
    workers: int | None = None
    arrivals_per_s: float | None = None
    worker_per_s: float | None = None
    start_s: float | None = None


@dataclass(frozen=True, slots=True)
class WaitingGroup:
    """Waiting jobs of one priority and client: their number, the greatest and the sum of their ages.

    `first` and `last` are the bounds of their ids as text.
    """

    priority: int
    client: int
    jobs: int
    head_age_s: float = 0.0
    ages_s: float = 0.0
    first: str = ""
    last: str = ""


def counted(groups: Iterable[WaitingGroup]) -> QueueCount:
    """Return the count that groups of one queue add up to."""
    by_client = [Counter[int]() for _ in range(PRIORITIES)]
    of_client = [defaultdict[int, list[WaitingGroup]](list) for _ in range(PRIORITIES)]
    head_s, ages_s = [0.0] * PRIORITIES, [0.0] * PRIORITIES
    for group in groups:
        by_client[group.priority][group.client] += group.jobs
        of_client[group.priority][group.client].append(group)
        head_s[group.priority] = max(head_s[group.priority], group.head_age_s)
        ages_s[group.priority] += group.ages_s
    waiting = tuple(clients.total() for clients in by_client)
    mean_s = tuple(ages / max(1, jobs) for ages, jobs in zip(ages_s, waiting, strict=True))
    largest = tuple(dict(clients.most_common(MOST_CLIENTS)) for clients in by_client)
    spans = tuple(
        {client: _span(whose[client]) for client in clients if all(group.first for group in whose[client])}
        for clients, whose in zip(largest, of_client, strict=True)
    )
    return QueueCount(waiting, tuple(head_s), mean_s, by_client=largest, spans=spans)


def _span(groups: Sequence[WaitingGroup]) -> Span:
    jobs = sum(group.jobs for group in groups)
    return Span(
        max(group.head_age_s for group in groups),
        sum(group.ages_s for group in groups) / max(1, jobs),
        min(group.first for group in groups),
        max(group.last for group in groups),
    )
