"""The p95 of flows at one worker, batch by batch: who waits how long is a recursion over seals and runs.

RabbitMQ serves the workers of a queue in turn. So of W workers each gets every W-th job, and the gaps between
its jobs are sums of W exponential ones: the more workers, the more regular. Fixed random numbers make the
result a function of its arguments. A batch costs a step here, where the simulator takes one for each job and
runs the product's whole policy.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from heapq import heapreplace
from itertools import accumulate
from math import ceil, inf, log1p

from jobs.core.planning.fluid import ModelFlow, cycle_s
from jobs.core.planning.plan_file import BatchOverheads
from jobs.core.simulation.arrivals import Chance

ChanceOf = Callable[[int], Chance]  # by seed

JOBS, LEAST_JOBS, MOST_JOBS = 3_000, 500, 60_000
CYCLES = 80
WARM_UP = 0.15  # of the time
SHAPES = (*range(1, 13), 14, 16, 20, 24, 32, 48)  # beyond the last the gaps are as good as regular
SAMPLES = 4_096
P95 = 0.95


class BatchRecursion:
    """Foretells p95 by flow; keeps its random numbers and its results."""

    def __init__(self, chance_of: ChanceOf, seed: int, overheads: BatchOverheads) -> None:
        """Draw from `chance_of(seed)` and its successors."""
        self._chance_of, self._seed, self._overheads = chance_of, seed, overheads
        self._gaps: dict[tuple[int, int], list[float]] = {}
        self._results: dict[tuple[tuple[ModelFlow, ...], int, int], list[float]] = {}

    def p95_s(self, flows: Sequence[ModelFlow], lanes: int, workers: int) -> list[float]:
        """Return the p95 from submit to stored result of each flow, 0 where it has no jobs; inf if it grows.

        `workers` are all that share the queues: it decides how regular the arrivals at one are.
        """
        if not any(flow.per_s for flow in flows):
            return [0.0 for _ in flows]
        if sum(flow.per_s * flow.run_s(flow.max_batch) / flow.max_batch for flow in flows) >= lanes:
            return [inf if flow.per_s else 0.0 for flow in flows]
        key = tuple(flows), lanes, _shape(workers)
        if key not in self._results:
            self._results[key] = self._foretold(*key)
        return self._results[key]

    def _foretold(self, flows: Sequence[ModelFlow], lanes: int, shape: int) -> list[float]:
        span_s = _span_s(flows, lanes)
        arrivals = [self._arrivals(number, flow.per_s, span_s, shape) for number, flow in enumerate(flows)]
        latencies = _latencies(flows, arrivals, lanes, self._overheads, WARM_UP * span_s)
        return [_p95(own) + self._overheads.deliver_s if own else 0.0 for own in latencies]

    def _arrivals(self, number: int, per_s: float, span_s: float, shape: int) -> list[float]:
        if not per_s:
            return []
        key = number, shape
        if key not in self._gaps:
            chance = self._chance_of(self._seed + number)
            self._gaps[key] = [-sum(log1p(-chance()) for _ in range(shape)) / shape for _ in range(SAMPLES)]
        gaps, count = self._gaps[key], ceil(per_s * span_s)
        drawn = (gaps * (count // SAMPLES + 1))[:count]
        return list(accumulate(gap / per_s for gap in drawn))


def _shape(workers: int) -> int:
    """Return the workers, rounded down so that results can be used again."""
    shapes: list[int] = [shape for shape in SHAPES if shape <= workers]
    return shapes[-1]


def _span_s(flows: Sequence[ModelFlow], lanes: int) -> float:
    """Return how long to go on: for enough jobs of each flow, and enough batches."""
    rates = [flow.per_s for flow in flows if flow.per_s]
    span_s = max(JOBS / sum(rates), LEAST_JOBS / min(rates), CYCLES * cycle_s(flows, lanes))
    return min(span_s, MOST_JOBS / sum(rates))


def _latencies(
    flows: Sequence[ModelFlow],
    arrivals: Sequence[Sequence[float]],
    lanes: int,
    overheads: BatchOverheads,
    from_s: float,
) -> list[list[float]]:
    """Return the seconds from arrival to stored result of each flow's jobs that arrive after `from_s`."""
    served, sealed_s = [0] * len(flows), [-1.0] * len(flows)
    out: list[list[float]] = [[] for _ in flows]
    free = [0.0] * lanes
    claimed_s = stored_s = lead_s = 0.0
    left = [number for number, own in enumerate(arrivals) if own]
    while left:
        first_s = min(arrivals[number][served[number]] for number in left)
        now = max(claimed_s, free[0] - lead_s, first_s)
        waiting = [number for number in left if arrivals[number][served[number]] <= now]
        number = min(waiting, key=sealed_s.__getitem__)
        flow, own, begin = flows[number], arrivals[number], served[number]
        size = bisect_right(own, now, begin) - begin
        if size <= flow.max_batch:  # in a backlog the goal cuts no batch
            start_s = max(now + lead_s, free[0])
            size = int(min(size, flow.size_within(own[begin] + flow.goal_s - start_s)))
        size = min(size, flow.max_batch)
        end = begin + size
        lead_s = overheads.claim_s + overheads.claim_per_job_s * size
        claimed_s = now + lead_s
        ran_s = max(claimed_s, free[0]) + flow.run_s(size)
        heapreplace(free, ran_s)
        stored_s = max(ran_s, stored_s) + overheads.settle_s + overheads.settle_per_job_s * size
        out[number].extend(stored_s - at_s for at_s in own[begin:end] if at_s >= from_s)
        served[number], sealed_s[number] = end, now
        if end == len(own):
            left.remove(number)
    return out


def _p95(latencies_s: list[float]) -> float:
    ordered = sorted(latencies_s)
    return ordered[max(0, ceil(P95 * len(ordered)) - 1)]
