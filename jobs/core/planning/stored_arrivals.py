"""A day's forecast of what is stored: mean arrivals by hour of the day, and how far a minute exceeds them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

HOURS, MINUTES = 24, 60
DAY_MINUTES = HOURS * MINUTES


class MinuteCount(NamedTuple):
    """How many jobs came within a minute, which is counted from 1970."""

    minute: int
    jobs: int


class DayOfArrivals(NamedTuple):
    """Jobs a second by hour of the day (UTC), and the busiest minute of the busiest hour over its mean."""

    rates: tuple[float, ...]
    peak: float


def day_of(counts: Iterable[MinuteCount], *, now_minute: int) -> DayOfArrivals | None:
    """Return the mean day of whole days up to `now_minute`; None where the counts go back less than one."""
    by_minute = {one.minute: one.jobs for one in counts if one.minute < now_minute}
    days = (now_minute - min(by_minute, default=now_minute)) // DAY_MINUTES
    if not days:
        return None
    first = now_minute - days * DAY_MINUTES
    by_hour, busiest = Counter[int](), Counter[int]()
    for minute, jobs in by_minute.items():
        if minute >= first:
            hour = minute // MINUTES % HOURS
            by_hour[hour] += jobs
            busiest[hour] = max(busiest[hour], jobs)
    per_minute = [by_hour[hour] / (days * MINUTES) for hour in range(HOURS)]
    top = max(range(HOURS), key=per_minute.__getitem__)
    peak = busiest[top] / per_minute[top] if per_minute[top] else 1.0
    return DayOfArrivals(tuple(mean / 60.0 for mean in per_minute), max(1.0, peak))
