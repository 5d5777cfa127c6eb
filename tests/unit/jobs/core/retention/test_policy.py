import time
from datetime import UTC, date, datetime
from itertools import pairwise
from uuid import UUID

import pytest

from jobs.core.ids import uuid7
from jobs.core.retention.policy import DAY_MS, Window, oldest_kept, step_days, window_of, windows_around

NOON_MS = 1_790_000_000_000
TODAY = NOON_MS // DAY_MS


def ms_of(day: int) -> int:
    return day * DAY_MS


@pytest.mark.parametrize("entropy", [0, 2**74 - 1])
def test_a_day_holds_all_ids_from_its_first_millisecond_to_its_last(entropy: int) -> None:
    window = Window(30, TODAY)
    inside = [uuid7(ms_of(TODAY), entropy), uuid7(ms_of(TODAY + 1) - 1, entropy)]
    outside = [uuid7(ms_of(TODAY) - 1, entropy), uuid7(ms_of(TODAY + 1), entropy)]
    assert all(window.first_id <= job < window.end_id for job in inside)
    assert not any(window.first_id <= job < window.end_id for job in outside)


def test_windows_reach_from_yesterday_to_a_week_ahead_and_leave_no_gap() -> None:
    windows = windows_around(30, NOON_MS)
    assert [window.first_day - TODAY for window in windows] == list(range(-1, 8))
    assert all(a.end_id == b.first_id for a, b in pairwise(windows))


@pytest.mark.parametrize("keep_days", [1, 31, 32, 366])
def test_a_class_has_some_dozens_of_windows_for_any_retention(keep_days: int) -> None:
    windows = windows_around(keep_days, NOON_MS)
    assert windows[0].first_day <= TODAY - 1
    assert windows[-1].first_day + windows[-1].days > TODAY + 7
    assert keep_days // step_days(keep_days) + len(windows) < 60


def test_windows_of_weeks_are_the_same_on_every_day_of_the_week() -> None:
    windows = {w for day in range(7) for w in windows_around(90, NOON_MS + ms_of(day)) if w.days == 7}
    assert len(windows) == len({window.first_day for window in windows})
    assert all(window.first_day % 7 == 0 for window in windows)


def test_a_window_is_over_when_its_youngest_job_was_kept_for_all_its_days() -> None:
    window = Window(3, TODAY)
    assert not window.is_over(ms_of(TODAY + 4) - 1)
    assert window.is_over(ms_of(TODAY + 4))
    assert window.gone_at == datetime.fromtimestamp(ms_of(TODAY + 4) / 1_000, UTC)


@pytest.mark.parametrize("keep_days", [3, 90])
@pytest.mark.parametrize("later", range(110))
def test_only_ids_below_the_oldest_kept_window_are_over(keep_days: int, later: int) -> None:
    now_ms = NOON_MS + ms_of(later)
    for window in windows_around(keep_days, NOON_MS):
        assert window.is_over(now_ms) == (window.end_id <= oldest_kept(keep_days, now_ms))
        assert window.is_over(now_ms) == (window.first_id < oldest_kept(keep_days, now_ms))


def test_a_window_is_read_from_the_bounds_of_its_partition() -> None:
    window = Window(90, TODAY // 7 * 7, 7)
    bounds = f"FOR VALUES FROM ('{window.first_id}') TO ('{window.end_id}')"
    assert window_of(90, bounds) == window
    assert window_of(90, "DEFAULT") is None


def test_a_window_s_name_has_class_and_day() -> None:
    assert Window(30, (date(2026, 11, 24) - date(1970, 1, 1)).days).suffix == "_k30_20261124"


def test_present_ids_are_in_the_present_window() -> None:
    now_ms = time.time_ns() // 1_000_000
    job = UUID(int=uuid7(now_ms, 5).int)
    assert sum(window.first_id <= job < window.end_id for window in windows_around(30, now_ms)) == 1
