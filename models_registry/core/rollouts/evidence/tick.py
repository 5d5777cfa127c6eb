"""One look at a roll-out: the first attempts since the look before, arm by arm. The contract of its readers.

1. A tick holds *first attempts* that ended since the last look, whatever the number of rows they came in.
2. A key that failed or was refused counts once in a whole roll-out: `without_known` takes out keys that
   did so in an earlier tick, and returns those to remember. The caller keeps them in a table, for all arms.
3. Keys of a batch that failed as a whole are not in `seen`, nor in `failed`: they count in `failed_batches`.
4. The stable side is sampled by bucket, from the buckets next above the candidate's: then a larger share
   takes over keys that were looked at before. While a roll-out bakes, the candidate is sampled from bucket 0.
5. A tick is of one rule: where the share changed since the last look, there is one tick for each share.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from math import isfinite
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from models_registry.core.registry_errors import EvidenceError

Keys = frozenset[int]


class ArmTick(Struct, frozen=True):
    """What one arm showed in a tick.

    `latencies_s` holds, for each batch that ended, the seconds from the admission of its oldest member to
    the verdict. `excused_deaths` are deaths of earlier ticks for which an input is to blame, because it
    killed the stable too.
    """

    seen: Keys = frozenset()  # sticky keys of 64 bits, with those that failed or were refused
    failed: Keys = frozenset()  # by kinds that blame the version
    refused: Keys = frozenset()  # `invalid`
    batches: int = 0
    failed_batches: int = 0
    latencies_s: tuple[float, ...] = ()
    deaths: int = 0
    excused_deaths: int = 0


class Tick(Struct, frozen=True):
    """What all arms showed in a tick.

    `stable` is the sampled side without the baseline arm; `baseline` is None where the rule has no such arm.
    """

    candidate: ArmTick
    stable: ArmTick
    baseline: ArmTick | None = None
    share_ppm: int = 0  # the candidate's, in force when these jobs were admitted
    step: int = 0  # of the plan, from 0


class Counted(NamedTuple):
    """A tick whose keys each count for the first time, and the keys that count no more from now on."""

    tick: Tick
    newly_known: Keys


def without_known(tick: Tick, known: AbstractSet[int]) -> Counted:
    """Take keys out that failed or were refused in an earlier tick, and those that two arms saw in this one.

    `known` needs to hold those of the tick's keys only.
    """
    arms = [arm for arm in (tick.candidate, tick.stable, tick.baseline) if arm is not None]
    newly_known = frozenset().union(*(arm.failed | arm.refused for arm in arms)) - known
    theirs = tick.stable.seen | tick.baseline.seen if tick.baseline else tick.stable.seen
    out = known | (tick.candidate.seen & theirs)
    counted = replace(
        tick,
        candidate=_without(tick.candidate, out),
        stable=_without(tick.stable, out),
        baseline=_without(tick.baseline, out) if tick.baseline else None,
    )
    return Counted(counted, newly_known)


def _without(arm: ArmTick, out: AbstractSet[int]) -> ArmTick:
    if arm.seen.isdisjoint(out):
        return arm
    return replace(arm, seen=arm.seen - out, failed=arm.failed - out, refused=arm.refused - out)


def check_arm(arm: ArmTick) -> None:
    """Raise EvidenceError where an arm's figures contradict each other."""
    if not (arm.failed <= arm.seen and arm.refused <= arm.seen):
        raise EvidenceError("Keys failed or were refused that are not among the keys seen.")
    if not 0 <= arm.failed_batches <= arm.batches or arm.deaths < 0 or arm.excused_deaths < 0:
        raise EvidenceError("A count of batches or deaths is below 0, or more batches failed than ended.")
    if not all(isfinite(latency_s) and latency_s >= 0.0 for latency_s in arm.latencies_s):
        raise EvidenceError("A latency is no number of seconds from 0.")
