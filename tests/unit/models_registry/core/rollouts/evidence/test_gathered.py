"""GatheredEvidence: exact when stored and read back, the same however it was cut into ticks, and quick."""

from __future__ import annotations

import json
import random
from itertools import count
from math import inf
from time import perf_counter

import pytest

from models_registry.core.registry_errors import EvidenceError
from models_registry.core.rollouts.evidence.gathered import GatheredEvidence, absorb
from models_registry.core.rollouts.evidence.tick import ArmTick, Tick, without_known

NUMBERS = count(1)


def arm(seen: int, failed: int = 0, refused: int = 0) -> ArmTick:
    keys = [next(NUMBERS) for _ in range(seen)]
    return ArmTick(frozenset(keys), frozenset(keys[:failed]), frozenset(keys[failed : failed + refused]))


def after(*ticks: Tick) -> GatheredEvidence:
    evidence = GatheredEvidence()
    for tick in ticks:
        evidence = absorb(evidence, tick)
    return evidence


def test_failures_and_refusals_are_counted_apart() -> None:
    evidence = after(*[Tick(arm(10, 2, 1), arm(90, 1, 5))] * 10)
    failures, refusals = evidence.failures, evidence.refusals
    assert (failures.failed_ours, failures.failed_theirs, failures.seen_ours) == (20, 10, 100)
    assert (refusals.failed_ours, refusals.failed_theirs, refusals.seen_theirs) == (10, 50, 900)
    assert failures.e > 200 > refusals.e
    assert evidence.judged == 100


def test_the_baseline_is_stable_for_keys_and_the_only_other_side_for_batches() -> None:
    stable = ArmTick(arm(10).seen, batches=50, failed_batches=0)
    baseline = ArmTick(arm(5).seen, batches=5, failed_batches=2)
    evidence = after(Tick(ArmTick(arm(5).seen, batches=5, failed_batches=2), stable, baseline))
    assert evidence.failures.seen_theirs == 15
    assert evidence.failures.batch_excess == 0.0
    without = after(Tick(ArmTick(arm(5).seen, batches=5, failed_batches=2), stable))
    assert without.failures.batch_excess > 0.0


def test_latency_is_judged_against_the_baseline_alone() -> None:
    slow, fast = ArmTick(latencies_s=(9.0,) * 30), ArmTick(latencies_s=(1.0,) * 30)
    assert after(Tick(slow, fast)).latency.recent_s == ()
    assert after(*[Tick(slow, ArmTick(), fast)] * 9).latency.e > 1_000


def test_what_was_stored_is_read_back_exactly() -> None:
    draw = random.Random(2)
    evidence = GatheredEvidence()
    for look in range(50):
        ours, theirs = arm(7, draw.randrange(3)), arm(60, draw.randrange(5))
        timed = ArmTick(ours.seen, ours.failed, batches=2, latencies_s=(draw.random(), draw.random()))
        baseline = ArmTick(batches=1, failed_batches=look % 2, latencies_s=(draw.random(),))
        evidence = absorb(evidence, Tick(timed, theirs, baseline, share_ppm=10_000, step=1))
        evidence = absorb(evidence, Tick(arm(1, 1), ArmTick(), None, share_ppm=10_000, step=1))  # waits
        stored = json.loads(json.dumps(evidence.document))
        assert GatheredEvidence.of(stored) == evidence
    assert evidence.ours.failed


@pytest.mark.parametrize(
    "document", [None, [], {"failures": 1}, {"deaths": "two"}, {"latency": {"logs": ["x"]}}]
)
def test_what_is_no_evidence_is_an_error(document: object) -> None:
    with pytest.raises(EvidenceError):
        GatheredEvidence.of(document)


def test_a_tick_that_contradicts_itself_changes_nothing() -> None:
    with pytest.raises(EvidenceError):
        absorb(GatheredEvidence(), Tick(ArmTick(), ArmTick(failed=frozenset({1}))))


def test_jobs_that_come_one_by_one_wait_until_both_sides_can_be_compared() -> None:
    """At low volume no tick holds keys of both sides: judged tick by tick, nothing would ever be found."""
    evidence = GatheredEvidence()
    looks = 0
    while evidence.failures.e < 200:
        evidence = absorb(evidence, Tick(arm(1, 1), ArmTick()))
        for _ in range(11):
            evidence = absorb(evidence, Tick(ArmTick(), arm(1)))
        looks += 1
        assert looks < 10
    assert evidence.failures.seen_theirs >= 10 * evidence.judged


def test_when_a_stratum_is_judged_does_not_depend_on_how_its_jobs_ended() -> None:
    failing = [Tick(arm(1, 1), arm(3, 2)) for _ in range(20)]
    fine = [Tick(arm(1), arm(3)) for _ in range(20)]
    judged = [[after(*ticks[:n]).judged for n in range(20)] for ticks in (failing, fine)]
    assert judged[0] == judged[1]
    assert judged[0][-1] > 10


def test_a_key_that_comes_again_while_it_waits_is_one_key() -> None:
    again = Tick(ArmTick(frozenset({1})), ArmTick(frozenset({2, 3})))
    assert len(after(again, again, again).ours.seen) == 1


def test_another_share_closes_what_waits_and_another_step_counts_from_nought() -> None:
    evidence = after(Tick(arm(2), arm(3), share_ppm=1, step=0))
    assert evidence.judged == 0
    evidence = absorb(evidence, Tick(arm(1), ArmTick(), share_ppm=2, step=0))
    assert (evidence.judged, evidence.judged_here, len(evidence.ours.seen)) == (2, 2, 1)
    evidence = absorb(evidence, Tick(ArmTick(), arm(20), share_ppm=2, step=1))
    assert (evidence.judged, evidence.judged_here) == (3, 1)


def test_keys_of_one_side_do_not_wait_without_end() -> None:
    evidence = GatheredEvidence()
    for _ in range(30):
        evidence = absorb(evidence, Tick(ArmTick(), arm(100)))
        assert len(evidence.theirs.seen) <= 2_000
    assert evidence.failures.seen_theirs == 0


def test_a_death_whose_input_killed_the_stable_too_is_excused() -> None:
    evidence = after(Tick(ArmTick(deaths=1), ArmTick(deaths=5)))
    assert evidence.deaths == 1
    assert absorb(evidence, Tick(ArmTick(excused_deaths=1), ArmTick())).deaths == 0


def test_a_look_at_3_000_keys_takes_less_than_2_ms() -> None:
    best_s = inf
    evidence = absorb(GatheredEvidence(), Tick(arm(10, 1), arm(90, 1)))
    for _ in range(10):
        tick = Tick(arm(150, 15), arm(2_850, 285))
        begun = perf_counter()
        absorb(evidence, without_known(tick, set()).tick)
        best_s = min(best_s, perf_counter() - begun)
    assert best_s < 0.002
