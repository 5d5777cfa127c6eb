"""All that live jobs have shown of a candidate, as one value: `absorb` adds a tick to it.

A stratum that is judged must hold keys of both sides. At low volume a tick seldom does: keys wait in an open
stratum until it is worth judging, which depends on how many were seen and never on how they ended, so that
the tests stay exact. What waits counts nothing yet.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from models_registry.core.registry_errors import EvidenceError
from models_registry.core.rollouts.evidence.tick import ArmTick, Keys, Tick, check_arm
from models_registry.core.rollouts.statistics.hypergeometric import Stratum
from models_registry.core.rollouts.statistics.latency_test import LatencyTest, with_latencies, without_open
from models_registry.core.rollouts.statistics.rate_test import RateTest, with_batches, with_keys

LEAST_LARGER = 10  # keys of the larger side that a stratum waits for
MOST_WAITING = (
    2_000  # keys of one side that wait for the other's; more are dropped, as nothing compares to them
)
_NONE: Keys = frozenset()


class Side(Struct, frozen=True):
    """One side of the open stratum: the keys, and the batches, that wait to be judged."""

    seen: Keys = _NONE
    failed: Keys = _NONE
    refused: Keys = _NONE
    batches: int = 0
    failed_batches: int = 0


class GatheredEvidence(Struct, frozen=True):
    """The tests of live jobs, what waits for them, and the deaths of workers."""

    failures: RateTest = RateTest()
    refusals: RateTest = RateTest()
    latency: LatencyTest = LatencyTest()
    ours: Side = Side()
    theirs: Side = Side()
    share_ppm: int = 0
    step: int = 0
    judged_here: int = 0  # the candidate's keys judged at this step
    deaths: int = 0

    @property
    def judged(self) -> int:
        """Return how many of the candidate's keys were judged since the start."""
        return self.failures.seen_ours

    @property
    def document(self) -> dict[str, Any]:
        """Return it as JSON that `of` reads back exactly."""
        document: dict[str, Any] = msgspec.to_builtins(self)
        return document

    @classmethod
    def of(cls, document: Any) -> GatheredEvidence:
        """Read what was stored; EvidenceError where it is something else."""
        try:
            return msgspec.convert(document, cls)
        except msgspec.ValidationError as error:
            raise EvidenceError(f"The stored evidence of a roll-out cannot be read: {error}.") from None


def absorb(evidence: GatheredEvidence, tick: Tick) -> GatheredEvidence:
    """Return the evidence with a tick of `without_known`; EvidenceError where its figures disagree."""
    for arm in (tick.candidate, tick.stable, tick.baseline):
        if arm is not None:
            check_arm(arm)
    evidence = _at(evidence, tick)
    deaths = evidence.deaths + tick.candidate.deaths - tick.candidate.excused_deaths
    ours = _with_keys(evidence.ours, tick.candidate)
    theirs = _with_keys(evidence.theirs, tick.stable)
    if tick.baseline:
        theirs = _with_keys(theirs, tick.baseline)
    evidence = replace(
        evidence,
        ours=_with_batches(ours, tick.candidate),
        # The baseline's batches are as small as the candidate's; without it both sides are large.
        theirs=_with_batches(theirs, tick.baseline or tick.stable),
        latency=_latency(evidence.latency, tick),
        deaths=max(0, deaths),
    )
    return _batches_judged(_keys_judged(evidence))


def _at(evidence: GatheredEvidence, tick: Tick) -> GatheredEvidence:
    """Close what waits where the share is another now: both sides of a stratum are of the same rule."""
    if tick.share_ppm != evidence.share_ppm:
        latency = without_open(evidence.latency)
        evidence = replace(_judged(evidence), latency=latency, share_ppm=tick.share_ppm)
        evidence = replace(evidence, ours=Side(), theirs=Side())
    if tick.step != evidence.step:
        evidence = replace(evidence, step=tick.step, judged_here=0)
    return evidence


def _with_keys(side: Side, arm: ArmTick) -> Side:
    if not arm.seen:
        return side
    return replace(
        side,
        seen=side.seen | arm.seen,
        failed=side.failed | arm.failed,
        refused=side.refused | arm.refused,
    )


def _with_batches(side: Side, arm: ArmTick) -> Side:
    if not arm.batches:
        return side
    batches, failed = side.batches + arm.batches, side.failed_batches + arm.failed_batches
    return replace(side, batches=batches, failed_batches=failed)


def _latency(test: LatencyTest, tick: Tick) -> LatencyTest:
    if tick.baseline is None:
        return test
    return with_latencies(test, tick.candidate.latencies_s, tick.baseline.latencies_s)


def _keys_judged(evidence: GatheredEvidence) -> GatheredEvidence:
    ours, theirs = evidence.ours, evidence.theirs
    counts = sorted((len(ours.seen), len(theirs.seen)))
    if counts[0] == 0 and counts[1] <= MOST_WAITING:
        return evidence
    if counts[0] > 0 and counts[1] < LEAST_LARGER:
        return evidence
    return _judged(evidence)


def _judged(evidence: GatheredEvidence) -> GatheredEvidence:
    ours, theirs = evidence.ours, evidence.theirs
    return replace(
        evidence,
        failures=with_keys(evidence.failures, _stratum(ours.seen, theirs.seen, ours.failed, theirs.failed)),
        refusals=with_keys(evidence.refusals, _stratum(ours.seen, theirs.seen, ours.refused, theirs.refused)),
        ours=_without_keys(ours),
        theirs=_without_keys(theirs),
        judged_here=evidence.judged_here + (len(ours.seen) if theirs.seen else 0),
    )


def _stratum(ours: Keys, theirs: Keys, failed_ours: Keys, failed_theirs: Keys) -> Stratum:
    return Stratum(len(ours), len(theirs), len(failed_ours), len(failed_theirs))


def _without_keys(side: Side) -> Side:
    return Side(batches=side.batches, failed_batches=side.failed_batches)


def _batches_judged(evidence: GatheredEvidence) -> GatheredEvidence:
    ours, theirs = evidence.ours, evidence.theirs
    if not ours.batches or not theirs.batches:
        return evidence
    stratum = Stratum(ours.batches, theirs.batches, ours.failed_batches, theirs.failed_batches)
    return replace(
        evidence,
        failures=with_batches(evidence.failures, stratum),
        ours=replace(ours, batches=0, failed_batches=0),
        theirs=replace(theirs, batches=0, failed_batches=0),
    )
