from __future__ import annotations

from datetime import UTC, datetime, timedelta

from jobs.core.circuits.open_times import CircuitChange, common, open_spans
from jobs.core.timeline.time_spans import TimeSpan

BEGIN = datetime(2026, 1, 31, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def span(begin: float, end: float) -> TimeSpan:
    return TimeSpan(at(begin), at(end))


def changes(*states: tuple[float, str]) -> list[CircuitChange]:
    return [CircuitChange(0, state, at(seconds)) for seconds, state in states]


WINDOW = span(0, 100)


def test_a_circuit_is_open_until_it_is_tried_or_closed_or_the_window_ends() -> None:
    states = changes((10, "open"), (20, "half_open"), (25, "open"), (40, "closed"), (90, "open"))
    assert open_spans(states, WINDOW) == [span(10, 20), span(25, 40), span(90, 100)]
    assert open_spans(reversed(states), WINDOW) == open_spans(states, WINDOW)


def test_one_that_opened_before_the_window_counts_from_its_begin_on() -> None:
    assert open_spans(changes((-500, "open"), (5, "closed")), WINDOW) == [span(0, 5)]
    assert open_spans(changes((-500, "open")), WINDOW) == [WINDOW]
    assert open_spans(changes((-500, "open"), (-400, "half_open")), WINDOW) == []
    assert open_spans([], WINDOW) == []


def test_a_circuit_that_opens_again_while_it_is_open_was_open_once() -> None:
    assert open_spans(changes((10, "open"), (20, "open"), (30, "closed")), WINDOW) == [span(10, 30)]


def test_two_circuits_are_both_open_where_their_times_meet() -> None:
    some, others = [span(0, 10), span(20, 30)], [span(5, 22), span(29, 60)]
    assert common(some, others) == [span(5, 10), span(20, 22), span(29, 30)]
    assert common(some, []) == []
