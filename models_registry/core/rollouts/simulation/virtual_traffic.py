"""Draws what a look of the judge reads: which jobs arrived, which arm each got, and how each ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil, exp, pi, sin
from typing import NamedTuple

from models_registry.core.rollouts.evidence.tick import ArmTick, Tick
from models_registry.core.rollouts.judging.exposure import PPM
from models_registry.core.rollouts.simulation.arrivals_by_arm import (
    ArmJobs,
    Dealt,
    Rates,
    StickyClient,
    deal_clients,
    deal_inputs,
)
from models_registry.core.rollouts.simulation.buckets import Buckets, buckets_at
from models_registry.core.rollouts.simulation.chance import Chance, binomial_count, normal, poisson_count
from models_registry.core.rollouts.simulation.in_flight import AttemptsInFlight
from models_registry.core.rollouts.simulation.scenario import RolloutScenario

_MOST_BATCH = 16
_MOST_TIMED = 8  # batches of an arm a look: more teach a simulation nothing
_HALF_PPM = PPM // 2
_BAD_KEY, _BAD_PART = -1, 0.05
_SPELL_LOOKS, _LAGGING = 40, 0.1
_BAD_CLIENTS, _TIMES_WORSE = 0.1, 10.0
_WAVE_S, _WAVE = 900.0, 0.5  # the load makes both arms' batches slower and faster


class TrafficLook(NamedTuple):
    """A tick, how many jobs arrived in it, and how many of them the candidate claimed."""

    tick: Tick
    arrived: int
    claimed: int


@dataclass(slots=True)
class VirtualTraffic:
    """The jobs of an alias, look after look."""

    scenario: RolloutScenario
    chance: Chance
    _next_key: int = 0
    _bad_bucket: int = 0
    _clients: list[StickyClient] = field(default_factory=list)
    _late: ArmJobs = field(default_factory=ArmJobs)
    _looks: int = 0
    _in_flight: AttemptsInFlight = field(init=False)

    def __post_init__(self) -> None:
        """Draw what stays for the whole roll-out: the buckets of the clients."""
        flight_s = self.scenario.in_flight_s
        self._in_flight = AttemptsInFlight(self.scenario.look_s / flight_s if flight_s else 1.0)
        self._bad_bucket = int(self.chance() * PPM)
        usual = 1.0 / (1.0 + _BAD_CLIENTS * (_TIMES_WORSE - 1.0))
        for _ in range(self.scenario.clients):
            times = usual * (_TIMES_WORSE if self.chance() < _BAD_CLIENTS else 1.0)
            self._clients.append(StickyClient(int(self.chance() * PPM), times))

    def look(self, now_s: float, share_ppm: int, step: int, *, baking: bool) -> TrafficLook:
        """Return the next look, at a share of the candidate."""
        scenario = self.scenario
        self._looks += 1
        arrived = poisson_count(self.chance, scenario.rate_per_s * scenario.look_s)
        baseline = share_ppm < _HALF_PPM and scenario.plan.baseline
        buckets = buckets_at(share_ppm, scenario.sampled, baseline=baseline, baking=baking)
        dealt = self._in_flight.ended(self.chance, self._dealt(arrived, now_s, step, buckets), step)
        if not baseline:
            dealt.stable.add(dealt.baseline)
        tick = Tick(
            self._arm(dealt.candidate, self._latencies_s(dealt.candidate, now_s, scenario.slower)),
            self._arm(self._without_late(dealt.stable)),
            self._arm(dealt.baseline, self._latencies_s(dealt.baseline, now_s)) if baseline else None,
            share_ppm,
            step,
        )
        return TrafficLook(tick, arrived, dealt.claimed)

    def _dealt(self, arrived: int, now_s: float, step: int, buckets: Buckets) -> Dealt:
        scenario = self.scenario
        theirs = Rates(scenario.errors_at(now_s, step), scenario.refused)
        ours = Rates(min(1.0, theirs.errors + scenario.worse), scenario.refused)
        if self._clients:
            dealt = deal_clients(self.chance, arrived, buckets, self._clients, (ours, theirs))
        else:
            first_key, self._next_key = self._next_key, self._next_key + arrived
            dealt = deal_inputs(self.chance, arrived, buckets, ours, theirs, first_key=first_key)
        if scenario.bad_client:
            self._add_bad(dealt, buckets, binomial_count(self.chance, arrived, _BAD_PART))
        return dealt

    def _add_bad(self, dealt: Dealt, buckets: Buckets, jobs: int) -> None:
        """Add the jobs of the client that sends one bad input again and again."""
        arm = dealt.arm_of(self._bad_bucket, buckets)
        if arm is not None and jobs:
            arm.jobs += jobs
            arm.seen.add(_BAD_KEY)
            arm.failed.add(_BAD_KEY)
        dealt.claimed += jobs if self._bad_bucket < buckets.ours else 0

    def _without_late(self, stable: ArmJobs) -> ArmJobs:
        """Withhold most of the stable version's verdicts in every other spell of looks, until its end."""
        if not self.scenario.lag:
            return stable
        if self._looks // _SPELL_LOOKS % 2:
            held = {key for key in stable.seen if self.chance() >= _LAGGING}
            self._late.seen |= held
            self._late.failed |= stable.failed & held
            self._late.refused |= stable.refused & held
            kept = stable.seen - held
            return ArmJobs(kept, stable.failed & kept, stable.refused & kept, len(kept))
        late, self._late = self._late, ArmJobs()
        seen, refused = stable.seen | late.seen, stable.refused | late.refused
        failed = stable.failed | late.failed
        return ArmJobs(seen, failed, refused - failed, stable.jobs)

    def _arm(self, jobs: ArmJobs, latencies_s: tuple[float, ...] = ()) -> ArmTick:
        batches = _batches(jobs)
        failed = binomial_count(self.chance, batches, self.scenario.whole_batches)
        keys = frozenset(jobs.seen), frozenset(jobs.failed), frozenset(jobs.refused)
        return ArmTick(*keys, batches, failed, latencies_s)

    def _latencies_s(self, jobs: ArmJobs, now_s: float, slower: float = 1.0) -> tuple[float, ...]:
        if not self.scenario.latency:
            return ()
        load = slower * exp(_WAVE * sin(2.0 * pi * now_s / _WAVE_S))
        sigma = self.scenario.sigma
        count = min(_batches(jobs), _MOST_TIMED)
        return tuple(load * exp(sigma * normal(self.chance)) for _ in range(count))


def _batches(jobs: ArmJobs) -> int:
    return ceil(jobs.jobs / _MOST_BATCH)
