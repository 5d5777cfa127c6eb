"""The numbers of the design: keys and pairs after which a candidate a point worse has been found."""

from __future__ import annotations

from math import inf

import pytest

from models_registry.core.rollouts.statistics.sample_sizes import keys_needed, pairs_needed


@pytest.mark.parametrize(("rate", "keys"), [(0.0, 1_270), (0.001, 1_570), (0.01, 4_930), (0.05, 18_800)])
def test_keys_are_those_of_the_design(rate: float, keys: int) -> None:
    assert keys_needed(rate, 0.05, 0.005) == pytest.approx(keys, rel=0.01)


@pytest.mark.parametrize(("differing", "pairs"), [(0.0, 1_735), (0.001, 2_475), (0.0098, 8_466)])
def test_pairs_are_at_least_those_of_the_design(differing: float, pairs: int) -> None:
    assert pairs <= pairs_needed(differing, 0.001) <= 1.2 * pairs


@pytest.mark.parametrize("part", [0.0, 1.0])
def test_one_side_alone_is_never_enough(part: float) -> None:
    assert keys_needed(0.01, part, 0.005) == inf


def test_a_small_arm_needs_fewer_of_its_own_keys_than_a_large_one() -> None:
    needed = [keys_needed(0.01, part, 0.005) for part in (0.01, 0.05, 0.25, 0.5, 0.9)]
    assert needed == sorted(needed)
