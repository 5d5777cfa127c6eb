"""A day is made of whole days of counts, and of nothing less."""

from __future__ import annotations

import pytest

from jobs.core.planning.stored_arrivals import DAY_MINUTES, MinuteCount, day_of

NOW = 100 * DAY_MINUTES + 90  # half past one


def test_less_than_a_day_is_no_forecast() -> None:
    assert day_of([], now_minute=NOW) is None
    assert day_of([MinuteCount(NOW - DAY_MINUTES + 1, 5)], now_minute=NOW) is None


def test_the_hours_are_means_of_whole_days_and_the_peak_is_the_busiest_minute_over_its_hour() -> None:
    noon = 99 * DAY_MINUTES + 12 * 60
    before = [MinuteCount(noon - DAY_MINUTES + minute, 60) for minute in range(60)]
    counts = [*before, *(MinuteCount(noon + minute, 180 if minute else 1260) for minute in range(60))]
    counts += [MinuteCount(NOW - 3 * DAY_MINUTES + 1, 999), MinuteCount(NOW, 10_000)]
    day = day_of(counts, now_minute=NOW)
    assert day is not None
    assert day.rates[12] == pytest.approx((3600 + 59 * 180 + 1260) / 7200)
    assert sum(day.rates) == day.rates[12]
    assert day.peak == pytest.approx(1260 / (day.rates[12] * 60))
