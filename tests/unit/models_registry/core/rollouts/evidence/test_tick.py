"""A key counts once: what failed before is taken out, and so is what two arms saw at once."""

from __future__ import annotations

import pytest

from models_registry.core.registry_errors import EvidenceError
from models_registry.core.rollouts.evidence.tick import ArmTick, Tick, check_arm, without_known


def keys(*numbers: int) -> frozenset[int]:
    return frozenset(numbers)


def test_a_key_that_failed_in_an_earlier_tick_is_neither_seen_nor_failed_again() -> None:
    tick = Tick(ArmTick(keys(1, 2), keys(1)), ArmTick(keys(3, 4), keys(3), keys(4)))
    counted = without_known(tick, {1, 4})
    assert counted.tick == Tick(ArmTick(keys(2)), ArmTick(keys(3), keys(3)))
    assert counted.newly_known == keys(3)


def test_refused_keys_and_those_of_the_baseline_are_remembered_too() -> None:
    tick = Tick(ArmTick(keys(1), refused=keys(1)), ArmTick(keys(2)), ArmTick(keys(3), keys(3)))
    assert without_known(tick, set()) == (tick, keys(1, 3))


def test_a_key_that_two_arms_saw_counts_for_neither_and_is_remembered_where_it_failed() -> None:
    tick = Tick(ArmTick(keys(1, 5), keys(1)), ArmTick(keys(2)), ArmTick(keys(1, 6)))
    counted = without_known(tick, set())
    assert (counted.tick.candidate, counted.newly_known) == (ArmTick(keys(5)), keys(1))
    assert counted.tick.baseline == ArmTick(keys(6))


def test_everything_but_keys_stays() -> None:
    arm = ArmTick(
        keys(1), keys(1), batches=3, failed_batches=1, latencies_s=(0.5,), deaths=1, excused_deaths=1
    )
    counted = without_known(Tick(arm, ArmTick(), share_ppm=7, step=2), {1})
    assert counted.tick.candidate == ArmTick(
        batches=3, failed_batches=1, latencies_s=(0.5,), deaths=1, excused_deaths=1
    )
    assert (counted.tick.share_ppm, counted.tick.step) == (7, 2)


@pytest.mark.parametrize(
    "arm",
    [
        ArmTick(failed=keys(1)),
        ArmTick(keys(1), refused=keys(2)),
        ArmTick(batches=1, failed_batches=2),
        ArmTick(failed_batches=-1),
        ArmTick(deaths=-1),
        ArmTick(excused_deaths=-1),
        ArmTick(latencies_s=(float("nan"),)),
        ArmTick(latencies_s=(float("inf"),)),
        ArmTick(latencies_s=(-0.1,)),
    ],
)
def test_figures_that_contradict_each_other_are_an_error(arm: ArmTick) -> None:
    with pytest.raises(EvidenceError) as raised:
        check_arm(arm)
    assert raised.value.code == "rollout_evidence"
