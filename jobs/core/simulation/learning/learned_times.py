"""The times of a model version and of the platform around it, learned from its batches of late.

Each part of a batch is learned from those batches that show it alone. What a batch took from its claim until
a lane took it is its own preparation only where a lane was free; how long a settle takes shows only where the
next batch waited for it. The rest, the waiting, is what the simulation is for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import pstdev

from jobs.core.simulation.learning.observed_batch import ObservedBatch
from jobs.core.simulation.learning.robust_fit import LEAST, Observation, fit, median, quantiles, spread_of
from jobs.core.simulation.plan import Overheads, Timing

HALVES = 4.0  # over the window, a batch's weight is halved so many times
ROOMY = 8.0  # a delivery that takes so many times a quick one waited for room in the queue
_LEAST_CROWDED, _LEAST_VARIED = 60, 0.1  # runs, and the deviation of how many others went on beside them
_MOST_CROWDING = 2.0
_ROUNDS = 3
_TOGETHER_S = 1e-4  # moments nearer than this are of one transaction


@dataclass(frozen=True, slots=True)
class LearnedTimes:
    """What the simulation needs of a model version, learned from `runs` batches.

    `load_s` is None where no load was recorded, `arrivals_per_s` the jobs a second that were claimed, and
    `sizes` those of some jobs as they came: 1 where batches are not padded.
    """

    run: Timing
    overheads: Overheads
    load_s: float | None
    sizes: tuple[int, ...]
    arrivals_per_s: float
    runs: int


def learn(
    batches: Sequence[ObservedBatch], *, sizes: Sequence[int] = (), load_s: float | None = None
) -> LearnedTimes:
    """Return what the batches, at least one, show; newer ones count more."""
    ordered = sorted(batches, key=lambda batch: batch.sealed_s)
    weights = _weights(ordered)
    span_s = ordered[-1].sealed_s - ordered[0].sealed_s
    jobs = sum(batch.items for batch in ordered)
    return LearnedTimes(
        run=_run(ordered, weights),
        overheads=_overheads(ordered, weights),
        load_s=load_s,
        sizes=tuple(sizes) or (1,),
        arrivals_per_s=(jobs - ordered[0].items) / span_s if span_s > 0.0 else 0.0,
        runs=len(ordered),
    )


def _weights(ordered: Sequence[ObservedBatch]) -> list[float]:
    newest_s, oldest_s = ordered[-1].sealed_s, ordered[0].sealed_s
    half_s = (newest_s - oldest_s) / HALVES or 1.0
    return [0.5 ** ((newest_s - batch.sealed_s) / half_s) for batch in ordered]


def _run(ordered: Sequence[ObservedBatch], weights: Sequence[float]) -> Timing:
    """Return the time of a run beside no other, and by how much others make it longer."""
    others = _others(ordered)
    crowding, timing = 0.0, Timing()
    for _ in range(_ROUNDS):
        observations = [
            Observation(batch.units, batch.ran_s / (1.0 + crowding * beside), weight)
            for batch, beside, weight in zip(ordered, others, weights, strict=True)
        ]
        timing = fit(observations, steps=True)
        factors = [batch.ran_s / (timing.mean_s(batch.units) or 1.0) for batch in ordered]
        crowding = _crowding(others, factors, weights)
    return replace(timing, crowding=crowding)


def _crowding(others: Sequence[float], factors: Sequence[float], weights: Sequence[float]) -> float:
    """Return by which share each other run at the same time makes a run longer.

    It is 0 where all had about as much company: what that cost cannot be told from the run itself.
    """
    if len(others) < _LEAST_CROWDED or pstdev(others) < _LEAST_VARIED:
        return 0.0
    rows = zip(others, factors, weights, strict=True)
    line = fit([Observation(beside, factor, weight) for beside, factor, weight in rows])
    return min(line.per_unit_s / line.base_s, _MOST_CROWDING) if line.base_s > 0.0 else 0.0


def _others(ordered: Sequence[ObservedBatch]) -> list[float]:
    """Return for each batch how many other runs of its worker went on beside its own, on average."""
    beside_s = [0.0] * len(ordered)
    for places in _by_worker(ordered).values():
        running = list[int]()
        for place in sorted(places, key=lambda place: ordered[place].run_began_s):
            began_s = ordered[place].run_began_s
            running = [other for other in running if ordered[other].run_ended_s > began_s]
            for other in running:
                shared_s = min(ordered[place].run_ended_s, ordered[other].run_ended_s) - began_s
                beside_s[place] += shared_s
                beside_s[other] += shared_s
            running.append(place)
    return [
        seconds / batch.ran_s if batch.ran_s else 0.0
        for seconds, batch in zip(beside_s, ordered, strict=True)
    ]


def _overheads(ordered: Sequence[ObservedBatch], weights: Sequence[float]) -> Overheads:
    deliver_s, spread = _delivery(ordered, weights)
    return Overheads(deliver_s, _claim(ordered, weights), _settle(ordered, weights), spread)


def _delivery(ordered: Sequence[ObservedBatch], weights: Sequence[float]) -> tuple[float, tuple[float, ...]]:
    pairs = [(s, w) for batch, w in zip(ordered, weights, strict=True) for s in batch.delivered_s]
    if not pairs:
        return 0.0, ()
    pairs.sort()
    most_s = ROOMY * quantiles(pairs, [0.25])[0]
    quick = [(seconds, weight) for seconds, weight in pairs if seconds <= most_s] or pairs
    middle_s = median(quick) or 1.0
    mean, spread = spread_of([(seconds / middle_s, weight) for seconds, weight in quick])
    return middle_s * mean, spread


def _claim(ordered: Sequence[ObservedBatch], weights: Sequence[float]) -> Timing:
    """Return the time from a seal until the batch can run: the claim, and the preparation of its inputs."""
    free = _found_a_free_lane(ordered)
    shown = [(batch.lane_s, w) for batch, w, is_free in zip(ordered, weights, free, strict=True) if is_free]
    if len(shown) >= LEAST:
        prepare_s = median(shown)
    else:  # the quickest tenth waited least
        prepare_s = quantiles(sorted(zip((b.lane_s for b in ordered), weights, strict=True)), [0.1])[0]
    return fit(
        [
            Observation(batch.items, batch.claim_s + (batch.lane_s if is_free else prepare_s), weight)
            for batch, weight, is_free in zip(ordered, weights, free, strict=True)
        ]
    )


def _found_a_free_lane(ordered: Sequence[ObservedBatch]) -> list[bool]:
    """Return for each batch whether a lane of its worker was free when it was claimed."""
    free = [False] * len(ordered)
    for places in _by_worker(ordered).values():
        before = list[int]()
        for place in sorted(places, key=lambda place: ordered[place].claimed_s):
            batch = ordered[place]
            before = [other for other in before if ordered[other].run_ended_s > batch.claimed_s]
            free[place] = len(before) < batch.lanes
            before.append(place)
    return free


def _settle(ordered: Sequence[ObservedBatch], weights: Sequence[float]) -> Timing:
    """Return the time from the end of a run until its results are stored.

    The ledger has when the transaction began. So a settle's own time shows only where the next one waited for
    it; where too few did, storing a batch is taken to last as long as claiming it.
    """
    shown = [o for places in _by_worker(ordered).values() for o in _cycles(ordered, weights, places)]
    if len(shown) >= LEAST:
        return fit(shown)
    judge_s = median(list(zip((batch.settling_s for batch in ordered), weights, strict=True)))
    return fit([Observation(b.items, judge_s + b.claim_s, w) for b, w in zip(ordered, weights, strict=True)])


def _cycles(
    ordered: Sequence[ObservedBatch], weights: Sequence[float], places: Sequence[int]
) -> Iterator[Observation]:
    """Yield the settles after which another one waited, from begin to begin."""
    groups = list(_stored_together(ordered, places))
    begins_s = [_settle_began_s(ordered[group[0]]) for group in groups]
    for (group, after), (began_s, next_s) in zip(pairwise(groups), pairwise(begins_s), strict=True):
        first_end_s = min(ordered[place].run_ended_s for place in after)
        if first_end_s <= began_s:  # it was there when the settle before it began, and was not taken along
            continue
        judge_s = min(ordered[place].settling_s for place in after)
        if judge_s > 0.5 * (next_s - began_s):  # it waited for most of the time between
            items = sum(ordered[place].items for place in group)
            yield Observation(items, next_s - began_s, weights[group[0]])


def _stored_together(ordered: Sequence[ObservedBatch], places: Sequence[int]) -> Iterator[list[int]]:
    group = list[int]()
    for place in sorted(places, key=lambda place: _settle_began_s(ordered[place])):
        if group and _settle_began_s(ordered[place]) - _settle_began_s(ordered[group[0]]) > _TOGETHER_S:
            yield group
            group = []
        group.append(place)
    if group:
        yield group


def _settle_began_s(batch: ObservedBatch) -> float:
    return batch.run_ended_s + batch.settling_s


def _by_worker(ordered: Sequence[ObservedBatch]) -> dict[int, list[int]]:
    places = defaultdict[int, list[int]](list)
    for place, batch in enumerate(ordered):
        places[batch.worker].append(place)
    return places
