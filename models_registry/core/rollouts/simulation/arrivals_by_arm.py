"""The jobs of one look, dealt out to the arms; each with a sticky key and an outcome."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from models_registry.core.rollouts.judging.exposure import PPM
from models_registry.core.rollouts.simulation.buckets import Buckets
from models_registry.core.rollouts.simulation.chance import Chance, binomial_count, split_count


@dataclass(slots=True)
class ArmJobs:
    """What an arm's jobs came to."""

    seen: set[int] = field(default_factory=set)
    failed: set[int] = field(default_factory=set)
    refused: set[int] = field(default_factory=set)
    jobs: int = 0

    def add(self, more: ArmJobs) -> None:
        """Take in the jobs of another arm, of other keys."""
        self.seen |= more.seen
        self.failed |= more.failed
        self.refused |= more.refused
        self.jobs += more.jobs


class Rates(NamedTuple):
    """The rates of failures and refusals of one version."""

    errors: float
    refused: float


@dataclass(slots=True)
class Dealt:
    """The jobs of a look; `claimed` are all of the candidate's, counted or not."""

    candidate: ArmJobs = field(default_factory=ArmJobs)
    stable: ArmJobs = field(default_factory=ArmJobs)
    baseline: ArmJobs = field(default_factory=ArmJobs)
    claimed: int = 0

    def arm_of(self, bucket: int, buckets: Buckets) -> ArmJobs | None:
        """Return the arm that counts a bucket; None where none does."""
        if bucket < buckets.counted_ours:
            return self.candidate
        if buckets.ours <= bucket < buckets.counted_theirs:
            return self.stable
        return self.baseline if bucket >= buckets.before_baseline else None


class StickyClient(NamedTuple):
    """A client whose jobs all get one version: its bucket, and how many times the usual error rate it has."""

    bucket: int
    times: float


def deal_inputs(  # a look's numbers, each by name
    chance: Chance, arrived: int, buckets: Buckets, ours: Rates, theirs: Rates, *, first_key: int
) -> Dealt:
    """Deal out jobs of which each is a new input."""
    dealt = Dealt()
    left, below, key = arrived, 0, first_key
    groups = (
        (buckets.counted_ours, dealt.candidate, ours),
        (buckets.ours, None, ours),
        (buckets.counted_theirs, dealt.stable, theirs),
        (buckets.before_baseline, None, theirs),
        (PPM, dealt.baseline, theirs),
    )
    for above, arm, rates in groups:
        if above <= below or not left:
            continue
        jobs = split_count(chance, left, (above - below) / (PPM - below))
        left, below = left - jobs, above
        dealt.claimed += jobs if above <= buckets.ours else 0
        if arm is not None:
            _fill(chance, arm, range(key, key + jobs), rates)
            key += jobs
    return dealt


def _fill(chance: Chance, arm: ArmJobs, keys: range, rates: Rates) -> None:
    failed = binomial_count(chance, len(keys), rates.errors)
    refused = binomial_count(chance, len(keys) - failed, rates.refused)
    arm.jobs += len(keys)
    arm.seen.update(keys)
    arm.failed.update(keys[:failed])
    arm.refused.update(keys[failed : failed + refused])


def deal_clients(
    chance: Chance, arrived: int, buckets: Buckets, clients: list[StickyClient], rates: tuple[Rates, Rates]
) -> Dealt:
    """Deal out jobs of sticky clients, some of which send far more than others; a client is its number."""
    dealt = Dealt()
    for _ in range(arrived):
        number = int(chance() ** 2 * len(clients))
        client = clients[number]
        is_ours = client.bucket < buckets.ours
        dealt.claimed += is_ours
        arm = dealt.arm_of(client.bucket, buckets)
        if arm is not None:
            errors, refused = rates[0] if is_ours else rates[1]
            _add(arm, number, chance(), min(1.0, errors * client.times), refused)
    return dealt


def _add(arm: ArmJobs, key: int, outcome: float, errors: float, refused: float) -> None:
    arm.jobs += 1
    arm.seen.add(key)
    if outcome < errors:
        arm.failed.add(key)
        arm.refused.discard(key)
    elif outcome > 1.0 - refused and key not in arm.failed:
        arm.refused.add(key)
