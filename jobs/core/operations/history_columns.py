"""Lays the steps on record out as columns in which every step of a span has its place."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jobs.core.operations.operations_history import HistoryPoint

COLUMNS = tuple(name for name in HistoryPoint.__struct_fields__ if name != "at")
QUIET = {"in_per_s": 0.0, "out_per_s": 0.0, "waiting": 0, "oldest_s": 0.0, "failed_per_s": 0.0}
DIGITS = 6


def columns_of(
    *, begin: int, steps: int, step_s: int, points: Iterable[HistoryPoint], recorded: Iterable[int]
) -> dict[str, list[Any]]:
    """Return the columns of a span that begins at `begin`; `points` are a model's, in any order.

    A step that is `recorded` and has no point was quiet; one that is not recorded is None in all columns.
    """
    columns: dict[str, list[Any]] = {name: [None] * steps for name in COLUMNS}
    for at in recorded:
        for name, value in QUIET.items():
            columns[name][(at - begin) // step_s] = value
    for point in points:
        place = (point.at - begin) // step_s
        for name in COLUMNS:
            value = getattr(point, name)
            columns[name][place] = round(value, DIGITS) if isinstance(value, float) else value
    return columns
