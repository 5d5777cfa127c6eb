"""When a circuit was open, from the changes of its state on record. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from jobs.core.circuits.breaker import CircuitState
from jobs.core.timeline.time_spans import TimeSpan, union


class CircuitChange(NamedTuple):
    """The state that a circuit has had from `at` on; `client` is EVERY_CLIENT, or one client's row id."""

    client: int
    state: str
    at: datetime


def open_spans(changes: Iterable[CircuitChange], window: TimeSpan) -> list[TimeSpan]:
    """Return the parts of `window` in which a circuit was open, given its changes until the window's end.

    A half-open circuit lets requests pass, so it is not open.
    """
    ordered = sorted(changes, key=lambda change: change.at)
    ends = [*(change.at for change in ordered[1:]), window.end]
    spans = zip(ordered, ends, strict=False)
    return union(
        (TimeSpan(change.at, end) for change, end in spans if change.state == CircuitState.OPEN), window
    )


def common(some: Sequence[TimeSpan], others: Sequence[TimeSpan]) -> list[TimeSpan]:
    """Return the times that spans of both lists cover; those of one list are apart from each other."""
    return [cut for span in some for other in others if (cut := span.within(other))]
