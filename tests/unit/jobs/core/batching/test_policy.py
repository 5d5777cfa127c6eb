"""The batching policy, driven by hand and by random arrivals; the clock is a number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.core.batching.fair_queue import PATIENCE_S
from jobs.core.batching.group import AGING_S
from jobs.core.batching.policy import BatchPolicy
from jobs.core.batching.sealed_batch import BatchLimits, SealReason

ANY = BatchLimits(max_batch=4)
PADDED = BatchLimits(max_batch=4, max_padded_size=400, padded=True)


def policy(limits: BatchLimits = ANY) -> BatchPolicy[int]:
    return BatchPolicy(lambda _key: limits)


def tokens_of(buffer: BatchPolicy[int], now: float) -> list[int]:
    sealed = buffer.take(now)
    assert sealed is not None
    return sealed.tokens


def taught(buffer: BatchPolicy[int], *, fixed_s: float, per_unit_s: float) -> BatchPolicy[int]:
    for size in [1, 2, 4, 8, 16] * 10:
        buffer.observe("a", size, fixed_s + per_unit_s * size)
    return buffer


def test_an_idle_device_gets_the_present_items_at_once() -> None:
    buffer = policy()
    buffer.add(1, 10.0, key="a")
    sealed = buffer.take(10.0, device_free_at=0.0)
    assert sealed is not None
    assert (sealed.tokens, sealed.reason) == ([1], SealReason.IDLE)
    assert len(buffer) == 0


def test_a_busy_device_lets_a_batch_grow_until_just_before_it_is_free() -> None:
    buffer = policy()
    buffer.add(1, 10.0, key="a")
    assert buffer.take(10.0, device_free_at=11.0) is None
    due = buffer.due_at(10.0, device_free_at=11.0)
    assert due is not None
    assert 10.9 < due < 11.0
    buffer.add(2, 10.5, key="a")
    sealed = buffer.take(due, device_free_at=11.0)
    assert sealed is not None
    assert sealed.tokens == [1, 2]
    assert sealed.waited_s == due - 10.0


def test_the_longer_a_claim_takes_the_earlier_a_batch_is_sealed() -> None:
    quick, slow = policy(), policy()
    for _ in range(100):
        quick.observe_claim(0.001)
        slow.observe_claim(0.030)
    dues = []
    for buffer in (quick, slow):
        buffer.add(1, 10.0, key="a")
        dues.append(buffer.due_at(10.0, device_free_at=11.0))
    assert dues[0] is not None
    assert dues[1] is not None
    assert 10.99 < dues[0] < 11.0
    assert 10.94 < dues[1] < 10.98


def test_a_full_batch_is_sealed_just_in_time_so_that_urgent_newcomers_can_join() -> None:
    buffer = policy()
    for token in range(5):
        buffer.add(token, 10.0, key="a")
    assert buffer.take(10.0, device_free_at=11.0) is None
    buffer.add(9, 10.9, key="a", priority=9)
    sealed = buffer.take(10.99, device_free_at=11.0)
    assert sealed is not None
    assert (sealed.tokens, sealed.reason) == ([9, 0, 1, 2], SealReason.FULL)


def leads_s(run_s: float) -> tuple[float, float]:
    """Return how long before the device is free a full batch and a smaller one are sealed."""
    leads = []
    for count in (4, 1):
        buffer = policy()
        for token in range(count):
            buffer.add(token, 10.0, key="a")
        buffer.observe("a", 4, run_s)
        due = buffer.due_at(10.0, device_free_at=11.0)
        assert due is not None
        leads.append(11.0 - due)
    return leads[0], leads[1]


def test_a_full_batch_of_short_runs_is_sealed_earlier_than_another_and_of_long_ones_as_late() -> None:
    full, part = leads_s(0.01)
    assert full == pytest.approx(3 * part)
    full, part = leads_s(10.0)
    assert full == pytest.approx(part)


def test_a_full_batch_is_sealed_at_once_where_the_device_is_idle() -> None:
    full = policy()
    for token in range(4):
        full.add(token, 10.0, key="a")
    assert full.due_at(10.0, device_free_at=0.0) == 10.0
    sealed = full.take(10.0, device_free_at=0.0)
    assert sealed is not None
    assert (sealed.tokens, sealed.reason) == ([0, 1, 2, 3], SealReason.FULL)


def test_draining_seals_the_remaining_items() -> None:
    buffer = policy()
    buffer.add(1, 10.0, key="a")
    sealed = buffer.take(10.0, device_free_at=99.0, draining=True)
    assert sealed is not None
    assert sealed.reason is SealReason.DRAIN


def test_a_higher_priority_goes_first() -> None:
    buffer = policy(BatchLimits(max_batch=1))
    buffer.add(1, 10.0, key="a", priority=0)
    buffer.add(2, 11.0, key="a", priority=9)
    assert tokens_of(buffer, 11.0) == [2]


def test_waiting_outweighs_priority_in_the_end() -> None:
    buffer = policy(BatchLimits(max_batch=1))
    buffer.add(1, 0.0, key="a", priority=0)
    late = 9 * AGING_S + 1.0
    buffer.add(2, late, key="a", priority=9)
    assert tokens_of(buffer, late) == [1]


def test_the_earlier_deadline_of_one_priority_goes_first() -> None:
    buffer = policy(BatchLimits(max_batch=1))
    buffer.add(1, 10.0, key="a")
    buffer.add(2, 10.0, key="a", deadline_s=30.0)
    buffer.add(3, 10.0, key="a", deadline_s=20.0)
    assert [tokens_of(buffer, 11.0) for _ in range(3)] == [[3], [2], [1]]


def test_clients_take_turns_regardless_of_their_backlogs() -> None:
    buffer = policy(BatchLimits(max_batch=1))
    for token in range(100):
        buffer.add(token, 10.0, key="a", client=1)
    for token in (100, 101):
        buffer.add(token, 11.0, key="a", client=2)
    first = [tokens_of(buffer, 12.0)[0] for _ in range(4)]
    assert {100, 101} <= set(first)


def test_keys_take_turns_regardless_of_their_backlogs() -> None:
    buffer = policy()
    for token in range(100):
        buffer.add(token, 10.0, key="a")
    assert tokens_of(buffer, 10.0)[0] == 0
    buffer.add(100, 11.0, key="b")
    tokens_of(buffer, 11.0)
    assert 100 in tokens_of(buffer, 11.1) + tokens_of(buffer, 11.2)


def test_variants_of_a_key_never_share_a_batch() -> None:
    buffer = policy()
    for token in range(4):
        buffer.add(token, 10.0, key="a", parameters_digest=token % 2)
    assert [tokens_of(buffer, 11.0), tokens_of(buffer, 11.0)] == [[0, 2], [1, 3]]


def test_lengths_that_are_alike_go_together() -> None:
    buffer = policy(BatchLimits(max_batch=3, padded=True))
    for runs in range(8):
        buffer.observe("a", 100 + runs * 50, 0.001 + (100 + runs * 50) * 0.001)
    for token, size in enumerate([100, 10, 98, 11, 99, 12]):
        buffer.add(token, 10.0, key="a", size=size)
    first = buffer.take(10.0)
    assert first is not None
    assert set(first.tokens) == {0, 2, 4}
    assert first.padded_size == 300


def test_an_item_over_the_padded_limit_still_goes_alone() -> None:
    buffer = policy(PADDED)
    buffer.add(1, 10.0, key="a", size=1_000)
    buffer.add(2, 10.0, key="a", size=10)
    assert tokens_of(buffer, 10.0) == [1]


def test_a_batch_is_cut_to_meet_the_oldest_deadline() -> None:
    buffer = taught(policy(BatchLimits(max_batch=64)), fixed_s=0.01, per_unit_s=0.01)
    for token in range(40):
        buffer.add(token, 10.0, key="a", deadline_s=10.25 if token == 0 else None)
    sealed = buffer.take(10.0)
    assert sealed is not None
    assert sealed.reason is SealReason.DEADLINE
    assert 20 <= len(sealed.tokens) <= 24


def test_a_batch_is_cut_to_meet_the_p95_goal_but_not_under_backlog() -> None:
    goal = BatchLimits(max_batch=64, p95_goal_s=0.25)
    alone = taught(policy(goal), fixed_s=0.01, per_unit_s=0.01)
    flooded = taught(policy(goal), fixed_s=0.01, per_unit_s=0.01)
    for token in range(200):
        flooded.add(token, 10.0, key="a")
    for token in range(40):
        alone.add(token, 10.0, key="a")
    few, many = alone.take(10.0), flooded.take(10.0)
    assert few is not None
    assert many is not None
    assert few.reason is SealReason.SLO
    assert 20 <= len(few.tokens) <= 24
    assert (many.reason, len(many.tokens)) == (SealReason.FULL, 64)


def test_a_deadline_that_is_lost_cuts_nothing() -> None:
    buffer = taught(policy(BatchLimits(max_batch=64)), fixed_s=0.01, per_unit_s=0.01)
    for token in range(40):
        buffer.add(token, 10.0, key="a", deadline_s=10.001 if token == 0 else None)
    assert len(tokens_of(buffer, 10.0)) == 40


def test_out_of_memory_halves_what_is_sealed_and_good_runs_raise_it_again() -> None:
    buffer = policy(BatchLimits(max_batch=64))
    buffer.observe_memory("a", 64)
    for token in range(640):
        buffer.add(token, 10.0, key="a")
    sealed = buffer.take(10.0)
    assert sealed is not None
    assert (len(sealed.tokens), sealed.reason) == (32, SealReason.MEMORY)
    for _ in range(200):
        buffer.observe("a", 32, 0.01)
    assert len(tokens_of(buffer, 10.0)) == 40


def test_an_idle_device_waits_briefly_if_the_next_arrivals_are_worth_it() -> None:
    buffer = taught(policy(BatchLimits(max_batch=64)), fixed_s=0.1, per_unit_s=0.0001)
    for token in range(10_000):  # one a millisecond: ten seconds of them
        buffer.add(token, token / 1_000, key="a")
    while len(buffer):
        buffer.take(10.0, device_free_at=0.0, draining=True)
    buffer.add(-1, 10.0, key="a")
    due = buffer.due_at(10.0, device_free_at=0.0)
    assert due is not None
    assert 10.0 < due < 10.1
    assert buffer.take(10.0, device_free_at=0.0) is None
    sealed = buffer.take(due, device_free_at=0.0)
    assert sealed is not None
    assert sealed.reason is SealReason.LINGER


def test_discarded_items_leave_the_buffer_and_are_returned() -> None:
    buffer = policy()
    for token in range(4):
        buffer.add(token, 10.0, key="a", client=token)
    assert buffer.discard(lambda token: token % 2 == 0) == [0, 2]
    assert tokens_of(buffer, 10.0) == [1, 3]


Arrival = st.tuples(
    st.sampled_from("abc"),
    st.integers(0, 500),
    st.integers(0, 9),
    st.floats(0, 5, allow_nan=False),
    st.integers(0, 3),
    st.none() | st.floats(0, 60),
)
Arrived = tuple[str, int, int, float, int, float | None]


def fill(buffer: BatchPolicy[int], arrivals: list[Arrived]) -> float:
    now = 0.0
    for token, (key, size, priority, gap_s, client, left_s) in enumerate(arrivals):
        now += gap_s
        buffer.add(
            token,
            now,
            key=key,
            parameters_digest=size % 2,
            size=size,
            priority=priority,
            client=client,
            deadline_s=None if left_s is None else now + left_s,
        )
    return now


@given(
    st.lists(Arrival, max_size=60), st.booleans(), st.integers(1, 9), st.integers(0, 900), st.integers(0, 900)
)
def test_no_arrivals_lose_double_or_mix_an_item_or_break_a_limit(
    arrivals: list[Arrived],
    padded: bool,  # noqa: FBT001  # hypothesis draws it
    max_batch: int,
    max_padded: int,
    max_bytes: int,
) -> None:
    limits = BatchLimits(max_batch, max_padded, padded, max_input_bytes=max_bytes)
    buffer, seen = policy(limits), list[int]()
    now = fill(buffer, arrivals)
    while sealed := buffer.take(now, draining=True):
        seen += sealed.tokens
        members = [arrivals[token] for token in sealed.tokens]
        assert {key for key, *_ in members} == {sealed.key}
        assert len({size % 2 for _, size, *_ in members}) == 1
        assert len(sealed.tokens) <= max_batch
        sizes = [max(size, 1) for _, size, *_ in members]
        assert sealed.padded_size == len(members) * (max(sizes) if padded else 1)
        if max_bytes and len(sealed.tokens) > 1:
            assert sum(sizes) <= max_bytes
        if max_padded and len(sealed.tokens) > 1:
            assert sealed.padded_size <= max_padded
    assert sorted(seen) == list(range(len(arrivals)))


@given(st.lists(Arrival, min_size=1, max_size=40), st.floats(0, 20), st.floats(0, 0.5))
def test_waiting_items_have_a_due_time_and_a_full_batch_waits_only_for_the_device(
    arrivals: list[Arrived], free_in_s: float, fixed_s: float
) -> None:
    buffer = policy()
    for size in (1, 2, 4):
        buffer.observe("a", size, fixed_s + 0.001 * size)
    now = fill(buffer, arrivals)
    while len(buffer):
        due = buffer.due_at(now, device_free_at=now + free_in_s)
        assert due is not None
        counts: dict[tuple[str, int], int] = {}
        for token in buffer:
            name = (arrivals[token][0], arrivals[token][1] % 2)
            counts[name] = counts.get(name, 0) + 1
        if max(counts.values()) >= ANY.max_batch:
            assert due <= now + free_in_s
        assert now <= due <= now + max(free_in_s, fixed_s)
        assert buffer.take(due, device_free_at=now + free_in_s) is not None


Plain = st.tuples(st.integers(0, 9), st.floats(0, 5, allow_nan=False), st.none() | st.floats(0, 60))


@given(st.lists(Plain, min_size=1, max_size=50), st.integers(1, 3))
def test_nothing_starves_past_the_bound_of_its_priority(
    arrivals: list[tuple[int, float, float | None]], most: int
) -> None:
    buffer, now = policy(BatchLimits(most)), 0.0
    came: dict[int, float] = {}
    for token, (priority, gap_s, left_s) in enumerate(arrivals):
        now += gap_s
        came[token] = now
        deadline_s = None if left_s is None else now + left_s
        buffer.add(token, now, key="a", priority=priority, deadline_s=deadline_s)
    while sealed := buffer.take(now, draining=True):
        for token in sealed.tokens:
            del came[token]
        for token in sealed.tokens:
            priority, _, left_s = arrivals[token]
            arrived = sum(gap_s for _, gap_s, _ in arrivals[: token + 1])
            for waiting, since in came.items():
                levels = max(priority - arrivals[waiting][0], 0)
                early_s = 0.0 if left_s is None else PATIENCE_S
                assert arrived - since <= levels * AGING_S + early_s + 1e-6


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(1, 5))
def test_between_two_items_of_a_client_every_other_gets_at_most_one(clients: list[int], most: int) -> None:
    buffer = policy(BatchLimits(most))
    for token, client in enumerate(clients):
        buffer.add(token, 0.0, key="a", client=client)
    order: list[int] = []
    while sealed := buffer.take(1.0):
        order += sealed.tokens
    served = [clients[token] for token in order]
    for client in set(clients):
        places = [at for at, other in enumerate(served) if other == client]
        for start, end in zip([-1, *places], places, strict=False):
            between = served[start + 1 : end]
            assert max((between.count(other) for other in between), default=0) <= 1


@given(st.lists(st.sampled_from("ab"), min_size=1, max_size=40))
def test_no_key_has_two_turns_in_a_row_while_another_waits(keys: list[str]) -> None:
    buffer = policy(BatchLimits(2))
    for token, key in enumerate(keys):
        buffer.add(token, 0.0, key=key)
    now, turns = 1.0, list[str]()
    while sealed := buffer.take(now):
        turns.append(str(sealed.key))
        now += 1.0
        remaining = {keys[token] for token in buffer}
        if len(remaining) > 1:
            assert len(set(turns[-2:])) == len(turns[-2:])


def test_bytes_are_part_of_a_batch_s_bound() -> None:
    buffer = policy(BatchLimits(max_batch=4, max_input_bytes=100))
    for token, size in enumerate([40, 50, 20, 300, 1]):
        buffer.add(token, 10.0, key="a", size=size)
    first, second, third = (buffer.take(10.0) for _ in range(3))
    assert first is not None
    assert second is not None
    assert third is not None
    assert (first.tokens, first.reason, first.padded_size) == ([0, 1], SealReason.BYTES, 2)
    assert (second.tokens, second.reason) == ([2], SealReason.BYTES)
    assert third.tokens == [3]  # one that is larger runs alone


def test_bytes_bound_a_padded_batch_by_its_padded_size() -> None:
    buffer = policy(BatchLimits(max_batch=4, max_input_bytes=100, padded=True))
    for token in range(4):
        buffer.add(token, 10.0, key="a", size=45)
    sealed = buffer.take(10.0)
    assert sealed is not None
    assert (len(sealed.tokens), sealed.reason) == (2, SealReason.BYTES)


def test_of_a_held_key_the_least_urgent_items_are_sealed_to_be_sent_elsewhere() -> None:
    buffer = policy(BatchLimits(max_batch=2))
    buffer.hold("a")
    for token, priority in enumerate([0, 5, 5]):
        buffer.add(token, 10.0, key="a", priority=priority)
    assert tokens_of(buffer, 10.0) == [0]
    assert buffer.take(10.0) is None
    buffer.free("a")
    assert tokens_of(buffer, 10.0) == [1, 2]
