"""The batching policy, driven by hand and by random arrivals; the clock is a number."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jobs.core.batching import AGING_S, BatchPolicy, Limits, SealReason

ANY = Limits(max_batch=4)
PADDED = Limits(max_batch=4, max_padded_size=400, pads=True)


def policy(limits: Limits = ANY) -> BatchPolicy[int]:
    return BatchPolicy(lambda _key: limits)


def test_an_idle_device_gets_what_is_there_at_once() -> None:
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


def test_a_full_batch_is_sealed_whatever_the_device_does() -> None:
    buffer = policy()
    for token in range(5):
        buffer.add(token, 10.0, key="a")
    sealed = buffer.take(10.0, device_free_at=99.0)
    assert sealed is not None
    assert (sealed.tokens, sealed.reason) == ([0, 1, 2, 3], SealReason.FULL)


def test_draining_seals_what_is_left() -> None:
    buffer = policy()
    buffer.add(1, 10.0, key="a")
    sealed = buffer.take(10.0, device_free_at=99.0, draining=True)
    assert sealed is not None
    assert sealed.reason is SealReason.DRAIN


def test_a_higher_priority_goes_first() -> None:
    buffer = policy(Limits(max_batch=1))
    buffer.add(1, 10.0, key="a", priority=0)
    buffer.add(2, 11.0, key="a", priority=9)
    first = buffer.take(11.0)
    assert first is not None
    assert first.tokens == [2]


def test_waiting_outweighs_priority_in_the_end() -> None:
    buffer = policy(Limits(max_batch=1))
    buffer.add(1, 0.0, key="a", priority=0)
    late = 9 * AGING_S + 1.0
    buffer.add(2, late, key="a", priority=9)
    first = buffer.take(late)
    assert first is not None
    assert first.tokens == [1]


def test_the_key_with_the_most_urgent_item_goes_first() -> None:
    buffer = policy()
    buffer.add(1, 10.0, key="a")
    buffer.add(2, 9.0, key="b")
    first = buffer.take(10.0)
    assert first is not None
    assert first.key == "b"


def test_lengths_that_are_alike_go_together() -> None:
    buffer = policy(Limits(max_batch=3, pads=True))
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
    first = buffer.take(10.0)
    assert first is not None
    assert first.tokens == [1]


def test_discarded_items_are_gone_and_returned() -> None:
    buffer = policy()
    for token in range(4):
        buffer.add(token, 10.0, key="a")
    assert buffer.discard(lambda token: token % 2 == 0) == [0, 2]
    sealed = buffer.take(10.0)
    assert sealed is not None
    assert sealed.tokens == [1, 3]


Arrival = st.tuples(
    st.sampled_from("abc"), st.integers(0, 500), st.integers(0, 9), st.floats(0, 5, allow_nan=False)
)


@given(st.lists(Arrival, max_size=60), st.booleans(), st.integers(1, 9), st.integers(0, 900))
def test_no_arrivals_lose_double_or_mix_an_item_or_break_a_limit(
    arrivals: list[tuple[str, int, int, float]],
    pads: bool,  # noqa: FBT001  # hypothesis draws it
    max_batch: int,
    max_padded: int,
) -> None:
    limits = Limits(max_batch, max_padded, pads)
    buffer, now, seen = policy(limits), 0.0, list[int]()
    keys = {token: key for token, (key, *_) in enumerate(arrivals)}
    for token, (key, size, priority, gap_s) in enumerate(arrivals):
        now += gap_s
        buffer.add(token, now, key=key, size=size, priority=priority)
    while sealed := buffer.take(now, draining=True):
        seen += sealed.tokens
        assert {keys[token] for token in sealed.tokens} == {sealed.key}
        assert len(sealed.tokens) <= max_batch
        if pads and max_padded and len(sealed.tokens) > 1:
            assert sealed.padded_size <= max_padded
    assert sorted(seen) == list(range(len(arrivals)))


@given(st.lists(Arrival, min_size=1, max_size=40))
def test_the_most_urgent_item_is_always_in_the_next_batch(
    arrivals: list[tuple[str, int, int, float]],
) -> None:
    buffer, now = policy(PADDED), 0.0
    ranks = {}
    for token, (key, size, priority, gap_s) in enumerate(arrivals):
        now += gap_s
        ranks[token] = (now - priority * AGING_S, token)
        buffer.add(token, now, key=key, size=size, priority=priority)
    while sealed := buffer.take(now, draining=True):
        assert min(ranks, key=ranks.__getitem__) in sealed.tokens
        for token in sealed.tokens:
            del ranks[token]
