"""Spans of time are joined, cut to a window and turned into gaps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from jobs.core.timeline.time_spans import TimeSpan, covered_s, gaps, union

ZERO = datetime(2026, 11, 29, tzinfo=UTC)


def span(begin: float, end: float) -> TimeSpan:
    return TimeSpan(ZERO + timedelta(seconds=begin), ZERO + timedelta(seconds=end))


SPANS = st.lists(
    st.tuples(st.integers(-50, 50), st.integers(0, 30)).map(lambda pair: span(pair[0], sum(pair)))
)


def test_spans_that_touch_become_one() -> None:
    spans = [span(5, 9), span(1, 3), span(3, 4), span(8, 20), span(30, 40)]
    assert union(spans, span(0, 10)) == [span(1, 4), span(5, 10)]
    assert gaps(spans, span(0, 12)) == [span(0, 1), span(4, 5)]
    assert covered_s(spans, span(0, 10)) == 8.0


@given(SPANS)
def test_what_is_covered_and_the_gaps_are_the_whole_window(spans: list[TimeSpan]) -> None:
    window = span(-20, 25)
    pieces = sorted([*union(spans, window), *gaps(spans, window)])
    assert [piece.begin for piece in pieces[1:]] == [piece.end for piece in pieces[:-1]]
    assert (pieces[0].begin, pieces[-1].end) == window
    assert covered_s(spans, window) == sum(
        any(one.begin <= window.begin + timedelta(seconds=at + 0.5) < one.end for one in spans)
        for at in range(45)
    )
