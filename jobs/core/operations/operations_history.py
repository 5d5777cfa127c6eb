"""How it went: the last hour by the second or the last day by the minute, as columns for a chart.

    GET /admin/operations/history?span=hour|day[&model=NAME]    without a model: all models together

Every step of the span has its place in each column. A step that nobody recorded is null in every column but
`at`, so a chart draws a gap; a step in which no job ended has `out_per_s` 0 and null percentiles.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class HistorySpan(StrEnum):
    """What a history covers."""

    HOUR = "hour"
    DAY = "day"


STEP_S = {HistorySpan.HOUR: 1, HistorySpan.DAY: 60}
LAG_S = 1.0  # a settle that ended within a second has committed so much later, at the latest
STEPS = {HistorySpan.HOUR: 3_600, HistorySpan.DAY: 1_440}


class HistoryPoint(msgspec.Struct, frozen=True, kw_only=True):
    """One step; its fields are the columns of a history, and mean the same."""

    at: int
    in_per_s: float | None = None
    out_per_s: float | None = None
    waiting: int | None = None
    oldest_s: float | None = None
    p50_s: float | None = None
    p95_s: float | None = None
    p99_s: float | None = None
    batch_size: float | None = None
    failed_per_s: float | None = None
    workers: int | None = None


class History(msgspec.Struct, frozen=True, kw_only=True):
    """Columns of equal length, oldest first; `at` is the begin of each step, in seconds since 1970."""

    span: HistorySpan
    step_s: int
    model: str  # empty: all together
    models: list[str]  # those that have a history
    age_s: float | None  # of the newest step on record; None: there is none
    at: list[int]
    in_per_s: list[float | None]
    out_per_s: list[float | None]
    waiting: list[int | None]
    oldest_s: list[float | None]
    p50_s: list[float | None]
    p95_s: list[float | None]
    p99_s: list[float | None]
    batch_size: list[float | None]
    failed_per_s: list[float | None]
    workers: list[int | None]
