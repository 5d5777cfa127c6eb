"""A count of the jobs that wait for one model, the base of every estimate. Pure.

The surveyor counts the outbox about twice a second, so that no request has to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from jobs.core.priority import HIGHEST

PRIORITIES = HIGHEST + 1
COUNT_EVERY_S = 0.5
MOST_CLIENTS = 100  # per priority; a client with fewer jobs hardly changes the place of others
_NO_CLIENTS: Mapping[int, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class QueueCount:
    """The jobs that waited for a model, by API priority 0 to 9, and how fast its workers finish jobs.

    | field | meaning |
    |---|---|
    | `head_age_s`, `mean_age_s` | seconds since the first job of each priority was due, and the mean of all |
    | `per_s` | jobs that the workers finish a second; None without workers or before their first run |
    | `answer_s` | seconds from the claim of a job to its stored outcome |
    | `arriving_per_s` | jobs that all processes together admitted a second before the count |
    | `by_client` | the waiting jobs of each priority by client id, as far as counted |
    """

    waiting: tuple[int, ...] = (0,) * PRIORITIES
    head_age_s: tuple[float, ...] = (0.0,) * PRIORITIES
    mean_age_s: tuple[float, ...] = (0.0,) * PRIORITIES
    per_s: float | None = None
    answer_s: float = 0.0
    arriving_per_s: float = 0.0
    by_client: tuple[Mapping[int, int], ...] = (_NO_CLIENTS,) * PRIORITIES


@dataclass(frozen=True, slots=True)
class WaitingGroup:
    """The waiting jobs of one priority and client: their number, the greatest and the sum of their ages."""

    priority: int
    client: int
    jobs: int
    head_age_s: float = 0.0
    ages_s: float = 0.0


def counted(groups: Iterable[WaitingGroup]) -> QueueCount:
    """Return the count that groups of one queue add up to."""
    by_client = [Counter[int]() for _ in range(PRIORITIES)]
    head_s, ages_s = [0.0] * PRIORITIES, [0.0] * PRIORITIES
    for group in groups:
        by_client[group.priority][group.client] += group.jobs
        head_s[group.priority] = max(head_s[group.priority], group.head_age_s)
        ages_s[group.priority] += group.ages_s
    waiting = tuple(clients.total() for clients in by_client)
    mean_s = tuple(ages / max(1, jobs) for ages, jobs in zip(ages_s, waiting, strict=True))
    largest = tuple(dict(clients.most_common(MOST_CLIENTS)) for clients in by_client)
    return QueueCount(waiting, tuple(head_s), mean_s, by_client=largest)
