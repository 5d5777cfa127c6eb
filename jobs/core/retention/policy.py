"""How long payloads are kept: a partition for each day of job ids, which is dropped as a whole. Pure.

Input and result of a job stand in a partition of its class, which is the number of days that they are kept,
and within the class of the day of its id, a UUIDv7. Classes of more than a month have a partition for each
week, so that there are few.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from jobs.core.ids import unix_ms_of

DAY_MS = 86_400_000
DAYS_AHEAD = 7
DAILY_UP_TO_DAYS, WEEK_DAYS = 31, 7
_EPOCH = date(1970, 1, 1)
_BOUNDS = re.compile(r"FROM \('([0-9a-f-]{36})'\) TO \('([0-9a-f-]{36})'\)")


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """The job ids of `days` days from `first_day` (days since 1970, UTC); kept for `keep_days` afterwards."""

    keep_days: int
    first_day: int
    days: int = 1

    @property
    def first_id(self) -> UUID:
        """Return the smallest id of the window."""
        return _id_of_day(self.first_day)

    @property
    def end_id(self) -> UUID:
        """Return the smallest id after the window."""
        return _id_of_day(self.first_day + self.days)

    @property
    def suffix(self) -> str:
        """Return the suffix of the names of its partitions."""
        return f"_k{self.keep_days}_{self.date:%Y%m%d}"

    @property
    def date(self) -> date:
        """Return the first day as a date."""
        return _EPOCH + timedelta(days=self.first_day)

    @property
    def gone_at(self) -> datetime:
        """Return the time from which on it may be dropped."""
        return datetime.fromtimestamp(self._gone_at_ms / 1_000, UTC)

    @property
    def _gone_at_ms(self) -> int:
        return (self.first_day + self.days + self.keep_days) * DAY_MS

    def is_over(self, now_ms: int) -> bool:
        """Return whether the payloads of its last job have been kept for long enough."""
        return self._gone_at_ms <= now_ms


def windows_around(keep_days: int, now_ms: int, *, ahead: int = DAYS_AHEAD) -> list[Window]:
    """Return the windows of a class from yesterday until `ahead` days from now."""
    today, days = now_ms // DAY_MS, step_days(keep_days)
    numbers = range((today - 1) // days, (today + ahead) // days + 1)
    return [Window(keep_days, number * days, days) for number in numbers]


def step_days(keep_days: int) -> int:
    """Return how many days a partition of a class holds."""
    return 1 if keep_days <= DAILY_UP_TO_DAYS else WEEK_DAYS


def oldest_kept(keep_days: int, now_ms: int) -> UUID:
    """Return the smallest id of a class whose window is not over."""
    days = step_days(keep_days)
    return _id_of_day(max(0, now_ms // DAY_MS - keep_days) // days * days)


def window_of(keep_days: int, bounds: str) -> Window | None:
    """Return the window of a partition from its bounds, as Postgres writes them; None for a default one."""
    if (match := _BOUNDS.search(bounds)) is None:
        return None
    first, end = (unix_ms_of(UUID(text)) // DAY_MS for text in match.groups())
    return Window(keep_days, first, end - first)


def _id_of_day(day: int) -> UUID:
    return UUID(int=day * DAY_MS << 80)
