"""What is to be sent and when: calls with their jobs, all of it known before the start."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterable, Sequence
from itertools import accumulate

import msgspec

from jobs.core.loadtest.load_words import MixPart
from jobs.core.simulation.arrivals import Arrival, Chance


class PlannedJob(msgspec.Struct, frozen=True, eq=False):
    """A job to send: the moment it is due, in seconds from the start, and what it is."""

    at_s: float
    model: str
    priority: int | None = None
    client: int = 0
    deadline_s: float | None = None


class PlannedCall(msgspec.Struct, frozen=True, eq=False):
    """A call that carries jobs of one client; it is due with the last of them."""

    at_s: float
    client: int
    jobs: Sequence[PlannedJob]


def drawn_jobs(
    times_s: Iterable[float], mix: Sequence[MixPart], clients: int, chance: Chance
) -> list[PlannedJob]:
    """Return a job at each time, its model and priority drawn from the mix, its client evenly."""
    ends = list(accumulate(part.weight for part in mix))
    jobs = []
    for at_s in times_s:
        part = mix[bisect(ends, chance() * ends[-1], 0, len(mix) - 1)]
        jobs.append(PlannedJob(at_s, part.model, part.priority, int(chance() * clients)))
    return jobs


def replayed_jobs(
    arrivals: Sequence[Arrival], mix: Sequence[MixPart], clients: int, speed: float, chance: Chance
) -> list[PlannedJob]:
    """Return recorded jobs, `speed` times as fast; their model is drawn from the mix.

    Recorded clients share the tokens in turn, in the order in which they first appear.
    """
    number_of = {client: n for n, client in enumerate(dict.fromkeys(a.client for a in arrivals))}
    drawn = drawn_jobs((a.at_s / speed for a in arrivals), mix, 1, chance)
    return [
        PlannedJob(job.at_s, job.model, a.priority, number_of[a.client] % clients, a.deadline_in_s)
        for job, a in zip(drawn, arrivals, strict=True)
    ]


def calls_of(jobs: Sequence[PlannedJob], bulk: int) -> list[PlannedCall]:
    """Return a call for each job, or with `bulk` above 0 one for each so many jobs of a client."""
    if not bulk:
        return [PlannedCall(job.at_s, job.client, (job,)) for job in jobs]
    by_client: dict[int, list[PlannedJob]] = {}
    for job in jobs:
        by_client.setdefault(job.client, []).append(job)
    calls = [
        PlannedCall(own[min(first + bulk, len(own)) - 1].at_s, client, own[first : first + bulk])
        for client, own in by_client.items()
        for first in range(0, len(own), bulk)
    ]
    return sorted(calls, key=lambda call: call.at_s)
