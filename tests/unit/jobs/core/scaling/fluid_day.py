"""A fleet in simulated time: jobs flow through workers that start late, and the number follows their need.

A worker is a flow of `per_s` jobs a second, because what is judged is how many there are. Jobs are served in
the order in which they came, and no batch holds them together.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from jobs.core.scaling.workers_wanted import Demand, WorkersWanted

LATE_SHARE = 0.05  # a minute meets the goal where no more of its jobs are late
MINUTE_S = 60.0


def poisson(rng: random.Random, mean: float) -> int:
    """Draw from a Poisson distribution; a large one is a rounded normal one."""
    if mean > 50:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    edge, drawn, product = math.exp(-mean), 0, rng.random()
    while product > edge:
        product *= rng.random()
        drawn += 1
    return drawn


@dataclass
class Flow:
    """The jobs that wait, in order, with when they came."""

    parts: deque[list[float]] = field(default_factory=deque)
    jobs: float = 0.0

    def add(self, at_s: float, jobs: float) -> None:
        if jobs:
            self.parts.append([at_s, jobs])
            self.jobs += jobs

    def serve(self, capacity: float) -> Iterator[tuple[float, float]]:
        """Yield what is served, by when it came."""
        while capacity > 1e-9 and self.parts:
            came_s, there = self.parts[0]
            taken = min(capacity, there)
            capacity, self.jobs = capacity - taken, self.jobs - taken
            self.parts[0][1] -= taken
            if self.parts[0][1] < 1e-9:
                self.parts.popleft()
            yield came_s, taken

    def copied(self) -> Flow:
        return Flow(deque([*part] for part in self.parts), self.jobs)


@dataclass(frozen=True)
class Fleet:
    """One worker's speed, the goal, a worker's start-up, the length of a step, and the noise of the speed."""

    per_s: float = 10.0
    goal_s: float = 1.0
    start_s: float = 30.0
    step_s: float = 0.5
    noise: float = 0.0

    def is_late(self, came_s: float, now_s: float) -> bool:
        return now_s - came_s > self.goal_s - 0.1


@dataclass
class Run:
    """The number from step to step, the seconds of devices, and the late and all jobs of each minute."""

    numbers: list[int] = field(default_factory=list)
    device_s: float = 0.0
    minutes: dict[int, list[float]] = field(default_factory=dict)

    @property
    def turns(self) -> int:
        """Return how often the number changed its direction."""
        ups = [later > one for one, later in pairwise(self.numbers) if later != one]
        return sum(one is not later for one, later in pairwise(ups))

    @property
    def good_minutes(self) -> float:
        return sum(late <= LATE_SHARE * jobs for late, jobs in self.minutes.values()) / len(self.minutes)


def run(fleet: Fleet, arrivals: Sequence[int], seed: int, wanted: WorkersWanted | None = None) -> Run:
    """Let the number follow the arrivals of each step, from no worker on."""
    rng, flow, result = random.Random(seed), Flow(), Run()
    live, starting, drift = 0, deque[float](), 0.0
    wanted = wanted or WorkersWanted()
    for step, jobs in enumerate(arrivals):
        now_s = step * fleet.step_s
        flow.add(now_s, jobs)
        while starting and starting[0] <= now_s:
            starting.popleft()
            live += 1
        capacity = live * fleet.per_s * fleet.step_s
        busy = min(live, math.ceil(live * flow.jobs / capacity)) if capacity else 0
        for came_s, served in flow.serve(capacity):
            minute = result.minutes.setdefault(int(came_s // MINUTE_S), [0.0, 0.0])
            minute[0] += served if fleet.is_late(came_s, now_s) else 0.0
            minute[1] += served
        result.device_s += (live + len(starting)) * fleet.step_s
        drift += rng.gauss(0.0, fleet.noise) * math.sqrt(fleet.step_s / 5.0) - drift * fleet.step_s / 10.0
        speed = fleet.per_s * (1.0 + drift) if live else None
        demand = Demand(
            seconds=fleet.step_s,
            arrived=jobs,
            waiting=int(flow.jobs),
            busy=busy,
            live=live,
            worker_per_s=speed,
            goal_s=fleet.goal_s,
            start_s=fleet.start_s,
        )
        number = wanted.observe(demand).workers
        result.numbers.append(number)
        starting.extend([now_s + fleet.start_s] * (number - live - len(starting)))
        while number < live + len(starting):
            if starting:
                starting.pop()
            else:
                live -= 1
    return result


def oracle_s(fleet: Fleet, arrivals: Sequence[int]) -> float:
    """Return the least seconds of devices of one that knows all arrivals.

    It chooses for each minute the fewest workers with which no more than `LATE_SHARE` of its jobs are late
    and with which what is left at its end is no backlog. It starts workers ahead, so it needs no time for
    that, and pays for none: a real one pays for each start-up.
    """
    steps, flow, device_s = round(MINUTE_S / fleet.step_s), Flow(), 0.0
    for first in range(0, len(arrivals), steps):
        minute = arrivals[first : first + steps]
        workers = int(0.9 * sum(minute) / fleet.per_s / MINUTE_S)
        while not _suffices(fleet, tried := flow.copied(), minute, first, workers):
            workers += 1
        flow = tried
        device_s += workers * len(minute) * fleet.step_s
    return device_s


def _suffices(fleet: Fleet, flow: Flow, minute: Sequence[int], first: int, workers: int) -> bool:
    late, capacity = 0.0, workers * fleet.per_s * fleet.step_s
    for step, jobs in enumerate(minute, first):
        now_s = step * fleet.step_s
        flow.add(now_s, jobs)
        late += sum(served for came_s, served in flow.serve(capacity) if fleet.is_late(came_s, now_s))
    return late <= LATE_SHARE * sum(minute) and flow.jobs <= workers * fleet.per_s * fleet.goal_s


def drawn(rate: Callable[[float], float], seconds: float, step_s: float, seed: int) -> list[int]:
    """Draw the arrivals of each step, where `rate` returns jobs a second at a time."""
    rng = random.Random(seed)
    return [poisson(rng, rate(step * step_s) * step_s) for step in range(round(seconds / step_s))]


def day(mean_per_s: float, seed: int, step_s: float) -> list[int]:
    """Draw a day whose rate swings between 0.3 and 1.7 times the mean."""
    return drawn(
        lambda s: mean_per_s * (1.0 - 0.7 * math.cos(2.0 * math.pi * s / 86_400.0)), 86_400.0, step_s, seed
    )
