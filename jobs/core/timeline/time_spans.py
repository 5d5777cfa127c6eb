"""Spans of time: their union, the gaps between them, and how much of a window they fill."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple


class TimeSpan(NamedTuple):
    """A time from `begin` until `end`."""

    begin: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        """Return how long it is."""
        return (self.end - self.begin).total_seconds()

    def within(self, window: TimeSpan) -> TimeSpan | None:
        """Return the part of it that lies in `window`; None where there is none."""
        begin, end = max(self.begin, window.begin), min(self.end, window.end)
        return TimeSpan(begin, end) if begin < end else None


def union(spans: Iterable[TimeSpan], window: TimeSpan) -> list[TimeSpan]:
    """Return the parts of `window` that any span covers, in order and apart from each other."""
    joined = list[TimeSpan]()
    for span in sorted(cut for span in spans if (cut := span.within(window))):
        if joined and span.begin <= joined[-1].end:
            joined[-1] = TimeSpan(joined[-1].begin, max(joined[-1].end, span.end))
        else:
            joined.append(span)
    return joined


def gaps(spans: Iterable[TimeSpan], window: TimeSpan) -> list[TimeSpan]:
    """Return the parts of `window` that no span covers."""
    found, at = list[TimeSpan](), window.begin
    for span in union(spans, window):
        if at < span.begin:
            found.append(TimeSpan(at, span.begin))
        at = span.end
    return [*found, TimeSpan(at, window.end)] if at < window.end else found


def covered_s(spans: Iterable[TimeSpan], window: TimeSpan) -> float:
    """Return the seconds of `window` that any span covers."""
    return sum(span.seconds for span in union(spans, window))
