from jobs.core.access.refusal_counts import MOST_ADDRESSES, RefusalCounts, RefusalReason, RefusedCalls

TOKEN = RefusalReason.TOKEN


def test_the_first_refusal_is_due_at_once_and_the_others_are_one_count_a_minute() -> None:
    counts = RefusalCounts()
    counts.add("a", TOKEN)
    assert list(counts.take(0.0)) == [RefusedCalls("a", TOKEN, 1)]
    for _ in range(1_000):
        counts.add("a", TOKEN)
    assert list(counts.take(59.0)) == []
    assert list(counts.take(60.0)) == [RefusedCalls("a", TOKEN, 1_000)]
    assert list(counts.take(120.0)) == []
    assert counts._tallies == {}


def test_reasons_and_addresses_are_counted_apart() -> None:
    counts = RefusalCounts()
    counts.add("a", TOKEN)
    counts.add("a", RefusalReason.LOCKED_OUT)
    counts.add("b", TOKEN)
    assert len(list(counts.take(0.0))) == 3


def test_an_attacker_with_many_addresses_fills_neither_memory_nor_audit() -> None:
    counts = RefusalCounts()
    for number in range(5 * MOST_ADDRESSES):
        counts.add(str(number), TOKEN)
    rows = list(counts.take(0.0))
    assert len(rows) == MOST_ADDRESSES + 1
    assert rows[-1] == RefusedCalls(None, TOKEN, 4 * MOST_ADDRESSES)


def test_all_counts_are_taken_at_the_end() -> None:
    counts = RefusalCounts()
    counts.add("a", TOKEN)
    list(counts.take(0.0))
    counts.add("a", TOKEN)
    assert list(counts.take(1.0, whole=True)) == [RefusedCalls("a", TOKEN, 1)]
