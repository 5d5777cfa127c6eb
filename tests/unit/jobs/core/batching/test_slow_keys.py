"""Fast and slow batches of one policy: whose turn it is, and how large slow ones are."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.core.batching.lane_choice import Lane
from jobs.core.batching.policy import BatchPolicy
from jobs.core.batching.sealed_batch import BatchLimits, SealedBatch, SealReason
from tests.unit.jobs.core.batching.seeded_seals import LIMITS, digest_of, seals_of

FAST, SLOW = BatchLimits(4), BatchLimits(64, lane=Lane.SLOW, slow_slice_s=0.5)
BEFORE = {
    (0, 1): "296b911b12072336",
    (0, 2): "b9448f7137925fef",
    (1, 1): "17946241423d9df5",
    (1, 2): "8b38fb079ae640a2",
    (2, 1): "d64c086fced41ac0",
    (2, 2): "6cdaab417ffb1fe1",
}


def policy(limits: Mapping[Hashable, BatchLimits] | None = None, *, slices: bool = False) -> BatchPolicy[int]:
    given = limits or {"fast": FAST, "slow": SLOW}
    return BatchPolicy(given.__getitem__, slices=slices)


def taken(buffer: BatchPolicy[int], now: float, *, takes_slow: bool = True) -> SealedBatch[int]:
    sealed = buffer.take(now, takes_slow=takes_slow, draining=True)  # it need not wait for more
    assert sealed is not None
    return sealed


@pytest.mark.parametrize(("seed", "lanes"), BEFORE)
def test_without_slow_batches_the_seals_are_those_of_the_policy_before_there_were_lanes(
    seed: int, lanes: int
) -> None:
    """The digests were made with the last policy that knew no lanes."""
    assert digest_of(seals_of(policy(LIMITS), seed, lanes)) == BEFORE[seed, lanes]


@settings(max_examples=30, deadline=None)  # a workload takes a tenth of a second, more on a busy machine
@given(seed=st.integers(0, 10**6), lanes=st.integers(1, 3), slices=st.booleans())
def test_versions_that_are_judged_and_not_slow_are_sealed_as_fast_ones(
    seed: int, lanes: int, *, slices: bool
) -> None:
    judged = {key: replace(limits, lane=Lane.AUTO) for key, limits in LIMITS.items()}
    assert seals_of(policy(judged, slices=slices), seed, lanes) == seals_of(policy(LIMITS), seed, lanes)


def test_no_slow_batch_is_sealed_while_slow_ones_hold_all_they_may() -> None:
    buffer = policy()
    buffer.add(1, 0.0, key="slow")
    assert buffer.due_at(0.0, device_free_at=0.0, takes_slow=False) is None
    assert buffer.take(0.0, takes_slow=False) is None
    buffer.add(2, 0.0, key="fast")
    assert (taken(buffer, 0.0, takes_slow=False).tokens, len(buffer)) == ([2], 1)
    sealed = taken(buffer, 0.0)
    assert (sealed.tokens, sealed.slow) == ([1], True)


def test_a_fast_batch_follows_a_slow_one_and_slow_keys_take_turns_between() -> None:
    buffer = policy({"fast": BatchLimits(1), "a": SLOW, "b": SLOW})
    for token in range(100):
        buffer.add(token, 0.0, key="fast")
    for token in range(100, 300):
        buffer.add(token, 0.0, key="a" if token % 2 else "b")
    order = [taken(buffer, 1.0 + step).key for step in range(8)]
    assert order.count("fast") >= 4
    assert {"a", "b"} <= {*order}
    assert all("fast" in pair for pair in pairwise(order))


def test_a_slow_key_gets_its_turn_though_fast_items_always_wait() -> None:
    buffer = policy({"fast": BatchLimits(1), "slow": SLOW})
    buffer.add(-1, 0.0, key="slow")
    for token in range(20):
        buffer.add(token, 0.0, key="fast")
    assert "slow" in {taken(buffer, 1.0 + step).key for step in range(3)}


def test_items_of_the_slow_lane_share_no_batch_with_fast_ones_of_their_version() -> None:
    buffer = policy({"fast": BatchLimits(8)})
    buffer.add(1, 0.0, key="fast", slow=True)
    buffer.add(2, 0.1, key="fast")
    first, second = taken(buffer, 1.0), taken(buffer, 2.0)
    assert {(first.slow, *first.tokens), (second.slow, *second.tokens)} == {(True, 1), (False, 2)}


def test_older_slow_items_of_a_version_do_not_go_before_its_fast_ones_each_time() -> None:
    buffer = policy({"fast": BatchLimits(1)})
    for token in range(10):
        buffer.add(token, 0.0, key="fast", slow=True)
    for token in range(10, 20):
        buffer.add(token, 5.0, key="fast")
    lanes = [taken(buffer, 6.0 + step).slow for step in range(10)]
    assert lanes.count(True) == 5


def test_on_one_lane_a_slow_batch_takes_a_slice_of_time() -> None:
    buffer = policy(slices=True)
    for size in (1, 2, 4, 8) * 20:
        buffer.observe("slow", size, 0.05 + 0.1 * size)
    for token in range(64):
        buffer.add(token, 0.0, key="slow")
    sealed = taken(buffer, 1.0)
    assert (len(sealed.tokens), sealed.reason) == (4, SealReason.SLICE)


def test_before_its_first_run_a_slow_batch_on_one_lane_is_a_single_item() -> None:
    buffer = policy(slices=True)
    for token in range(64):
        buffer.add(token, 0.0, key="slow")
    assert len(taken(buffer, 1.0).tokens) == 1


def test_an_item_that_takes_longer_than_a_slice_runs_alone() -> None:
    buffer = policy({"slow": replace(SLOW, padded=True)}, slices=True)
    for size in (10, 20, 40) * 20:
        buffer.observe("slow", size, 0.1 * size)
    for token in range(3):
        buffer.add(token, 0.0, key="slow", size=50)
    assert len(taken(buffer, 1.0).tokens) == 1


def test_with_several_lanes_a_slow_batch_is_as_large_as_any() -> None:
    buffer = policy()
    buffer.observe("slow", 64, 30.0)
    for token in range(64):
        buffer.add(token, 0.0, key="slow")
    assert len(taken(buffer, 1.0).tokens) == 64


def test_a_version_to_be_judged_becomes_slow_by_its_runs_beside_a_faster_one() -> None:
    buffer = policy({"auto": BatchLimits(8, lane=Lane.AUTO), "fast": FAST})
    buffer.observe("auto", 8, 4.0)
    buffer.add(1, 0.0, key="auto")
    assert not taken(buffer, 1.0).slow  # there is no faster one
    buffer.observe("fast", 4, 0.02)
    buffer.add(2, 2.0, key="auto")
    assert taken(buffer, 3.0).slow
