from __future__ import annotations

from jobs.core.whole_looks import QUICK_S, REST, SLACK_S, WholeLooks


def test_quick_looks_always_begin_at_the_beginning() -> None:
    looks = WholeLooks()
    for now in range(5):
        assert looks.since_s(now) == 0.0
        looks.took(QUICK_S, began=now)
        looks.emptied(1_000.0 + now)


def slow() -> WholeLooks:
    looks = WholeLooks()
    looks.took(1.0, began=-1.0)
    looks.took(1.0, began=0.0)
    return looks


def test_one_look_that_took_minutes_because_its_process_was_stopped_puts_off_nothing() -> None:
    looks = WholeLooks()
    looks.took(QUICK_S, began=0.0)
    looks.took(300.0, began=1.0)
    assert looks.due(301.0)
    looks.took(QUICK_S, began=301.0)
    assert looks.due(302.0)


def test_of_two_long_looks_the_shorter_one_counts() -> None:
    looks = slow()
    looks.took(300.0, began=REST + 1.0)
    assert not looks.due(REST + 1.0 + REST - 0.5)
    assert looks.due(REST + 1.0 + REST + 0.5)


def test_a_look_that_takes_long_is_repeated_rarely_and_the_others_begin_at_the_mark() -> None:
    looks = slow()
    looks.emptied(1_000.0)
    assert looks.since_s(REST - 0.5) == 1_000.0 - SLACK_S
    assert looks.since_s(REST + 0.5) == 0.0


def test_the_mark_stays_where_something_is_left() -> None:
    looks = slow()
    assert looks.since_s(1.0) == 0.0
