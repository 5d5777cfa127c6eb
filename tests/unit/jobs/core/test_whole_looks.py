from __future__ import annotations

from jobs.core.whole_looks import QUICK_S, REST, SLACK_S, WholeLooks


def test_quick_looks_always_begin_at_the_beginning() -> None:
    looks = WholeLooks()
    for now in range(5):
        assert looks.since_s(now) == 0.0
        looks.took(QUICK_S, began=now)
        looks.emptied(1_000.0 + now)


def test_a_look_that_took_long_is_repeated_rarely_and_the_others_begin_at_the_mark() -> None:
    looks = WholeLooks()
    looks.took(1.0, began=0.0)
    looks.emptied(1_000.0)
    assert looks.since_s(REST - 0.5) == 1_000.0 - SLACK_S
    assert looks.since_s(REST + 0.5) == 0.0


def test_the_mark_stays_where_something_is_left() -> None:
    looks = WholeLooks()
    looks.took(1.0, began=0.0)
    assert looks.since_s(1.0) == 0.0
