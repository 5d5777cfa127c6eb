"""How many workers a model should have: up at once, down after a cooldown, zero after an idle time. Pure.

The number is raised only where arrivals exceed what it serves by more than chance explains, or where jobs
wait that would be late; it is lowered only where the busiest minute of the cooldown needed fewer. Between
the two lies a band in which it stays, so that the chance in a steady load does not start and stop workers.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from jobs.core.scaling.arrival_windows import ArrivalWindow, ArrivalWindows

IDLE_S, COOLDOWN_S = 600.0, 300.0
START_S = 30.0  # of a worker, before an autoscaler has seen one start
# For each window: by how many standard deviations its rate must exceed what is served. The shorter it is, the
# more often chance has a try.
CERTAINTY = ((ArrivalWindow.SHORT, 5.5), (ArrivalWindow.MIDDLE, 3.5), (ArrivalWindow.LONG, 2.0))
BUSY_SHARE = 0.93  # workers that are always busy let a queue grow without end
GOAL_SHARE = 0.6  # of the goal a job may wait; its run needs the rest
LATE_SHARE = 0.00002  # of the jobs that may wait for longer, were the estimates exact
LEAST_GOAL_S, UNKNOWN_GOAL_S = 0.1, 1.0
CATCH_UP_S = 60.0  # a backlog is to be gone within so long, or within a worker's start-up if that is longer
LEARN_S = 300.0  # the speed of a worker is a mean over about so long
DOUBT = 0.05  # the mean may be wrong by this share: an increase that rests on it needs more
LEAST_LOAD = 0.01  # of a model that needs a worker, and hardly any of its time
MOST_WORKERS = 1_000_000  # a column holds it; of a model that hardly finishes a job more would be asked for
_BINS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What was counted of one model in the last `seconds`.

    | field | meaning |
    |---|---|
    | `arrived`, `waiting` | jobs that came in these seconds; jobs that wait now |
    | `busy`, `live` | its live workers that hold a batch of it; all its live workers |
    | `live_part` | the live workers, each divided by the models that it serves; None: they serve it alone |
    | `worker_per_s` | jobs that one worker finishes a second; None before the first run |
    | `goal_s` | seconds within which jobs are to be answered; None where there is no goal |
    | `start_s` | seconds that a worker needs to start |
    """

    seconds: float
    arrived: int
    waiting: int
    busy: int = 0
    live: int = 0
    live_part: float | None = None
    worker_per_s: float | None = None
    goal_s: float | None = None
    start_s: float = START_S


@dataclass(frozen=True, slots=True)
class WorkersNeed:
    """The workers that a model needs, as a number with its fraction: models may share workers."""

    load: float = 0.0

    @property
    def workers(self) -> int:
        """Return the whole workers that this is for a model that shares none."""
        return whole(self.load)


def whole(load: float) -> int:
    """Return how many workers carry `load` workers' work; an error of rounding starts none."""
    return math.ceil(load - 1e-9)


class WorkersWanted:
    """One model's number from count to count."""

    def __init__(self, *, idle_s: float = IDLE_S, cooldown_s: float = COOLDOWN_S) -> None:
        """Begin without a number: the first count takes the live workers, so that a restart drains none."""
        self._idle_s, self._cooldown_s = idle_s, cooldown_s
        self._arrivals = ArrivalWindows(cooldown_s)  # what is longer ago must not keep the number up
        self._recent = _Highest(cooldown_s)
        self._worker_per_s: float | None = None
        self._learned_s = 0.0
        self._load: float | None = None
        self._quiet_s = 0.0

    def observe(self, demand: Demand) -> WorkersNeed:
        """Return what is needed after the next count."""
        self._arrivals.add(demand.arrived, demand.seconds)
        self._learn(demand)
        asleep = not (demand.arrived or demand.waiting or demand.busy)
        self._quiet_s = self._quiet_s + demand.seconds if asleep else 0.0
        load = _live_load(demand) if self._load is None else self._load
        self._load = min(MOST_WORKERS, self._next(load, demand))
        return WorkersNeed(self._load)

    def _next(self, load: float, demand: Demand) -> float:
        backlog = self._backlog(demand)
        middle = self._need(self._arrivals.rate(ArrivalWindow.MIDDLE).per_s, demand) + backlog
        steadiest = self._arrivals.rate(ArrivalWindow.LONG).sd_per_s
        highest = self._recent.add(demand.seconds, middle)
        if self._quiet_s >= self._idle_s:
            return 0.0
        load = max(load, LEAST_LOAD) if not self._quiet_s else load
        raised = max(self._raised(load, demand, backlog), min(middle, whole(load)))
        if raised > load:
            self._recent.note(raised)  # a short window raised it: the middle one alone would take that back
            return raised
        if highest is None or not load:
            return load
        lowered = highest + self._part(steadiest)
        return min(load, max(lowered, LEAST_LOAD, float(demand.busy)))

    def _raised(self, load: float, demand: Demand, backlog: float) -> float:
        """Return the load that the arrivals certainly need; `load` where chance explains them."""
        for window, deviations in CERTAINTY:
            rate = self._arrivals.rate(window)
            least = max(0.0, rate.per_s - deviations * rate.sd_per_s)
            surely = (1.0 - DOUBT) * self._need(least, demand, self._arrivals.least_burstiness) + backlog
            if whole(surely) > whole(load):
                load = max(load, self._need(rate.per_s, demand) + backlog)
        return load

    def _need(self, per_s: float, demand: Demand, burstiness: float | None = None) -> float:
        """Return how many workers keep the wait of all but `LATE_SHARE` of the jobs within the goal.

        Kingman's approximation of a queue under heavy load: with capacity c, arrivals a and burstiness b, a
        share of exp(-2 (c - a) c t / (a b)) waits for longer than t. It is solved for c.
        """
        if per_s <= 0.0:
            return 0.0
        if not self._worker_per_s:
            return LEAST_LOAD  # one worker will show how fast it is
        wait_s = GOAL_SHARE * max(LEAST_GOAL_S, demand.goal_s or UNKNOWN_GOAL_S)
        bursts = self._arrivals.burstiness if burstiness is None else burstiness
        spread = -math.log(LATE_SHARE) / 2.0 * per_s * bursts / wait_s
        capacity = per_s / 2.0 + math.sqrt(per_s**2 / 4.0 + spread)
        return self._part(min(capacity, 2.0 * per_s + self._worker_per_s))

    def _backlog(self, demand: Demand) -> float:
        """Return how many workers more serve what will still wait when they have started."""
        if not demand.waiting:
            return 0.0
        if not self._worker_per_s:
            return LEAST_LOAD
        goal_s = demand.goal_s or UNKNOWN_GOAL_S
        per_s = self._arrivals.rate(ArrivalWindow.SHORT).per_s
        spare_per_s = max(0.0, demand.live * self._worker_per_s - per_s)
        late = demand.waiting - per_s * goal_s - spare_per_s * max(goal_s, demand.start_s)
        if late <= 0.0:
            return 0.0
        return self._part(late / max(CATCH_UP_S, goal_s, demand.start_s))

    def _part(self, per_s: float) -> float:
        """Return how many workers serve so many jobs a second."""
        return per_s / (BUSY_SHARE * self._worker_per_s) if self._worker_per_s else 0.0

    def _learn(self, demand: Demand) -> None:
        if not demand.worker_per_s:
            return
        self._worker_per_s = self._worker_per_s or demand.worker_per_s
        self._learned_s = min(LEARN_S, self._learned_s + demand.seconds)
        share = demand.seconds / self._learned_s  # a plain mean at first, then one that forgets
        self._worker_per_s += share * (demand.worker_per_s - self._worker_per_s)


def _live_load(demand: Demand) -> float:
    """Return the load of the live workers, so that the sum over models that share them is their number."""
    return float(demand.live) if demand.live_part is None else demand.live_part


class _Highest:
    """The highest of what was needed in the last `window_s` seconds, kept in some thirty parts."""

    def __init__(self, window_s: float) -> None:
        self._part_s = window_s / _BINS
        self._parts = deque[float](maxlen=_BINS)
        self._open, self._open_s = 0.0, 0.0

    def add(self, seconds: float, value: float) -> float | None:
        """Return the highest value; None while values of fewer than `window_s` seconds are known."""
        self._open, self._open_s = max(self._open, value), self._open_s + seconds
        if self._open_s >= self._part_s:
            self._parts.extend([self._open] * min(_BINS, int(self._open_s / max(self._part_s, 1e-9))))
            self._open_s %= max(self._part_s, 1e-9)
            self._open = value
        return max(self._open, *self._parts) if len(self._parts) == _BINS else None

    def note(self, value: float) -> None:
        """Count a value that was needed at this moment as well."""
        self._open = max(self._open, value)
