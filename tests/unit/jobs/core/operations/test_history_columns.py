"""Columns have a place for each step: what was not recorded is a gap, and a quiet step is not."""

from __future__ import annotations

from jobs.core.operations.history_columns import columns_of
from jobs.core.operations.operations_history import HistoryPoint


def test_a_gap_is_none_a_quiet_step_is_zero_and_a_point_is_in_its_place() -> None:
    point = HistoryPoint(at=120, out_per_s=2.0 / 3, p95_s=0.25, waiting=4)
    columns = columns_of(begin=0, steps=4, step_s=60, points=[point], recorded=[0, 120])
    assert columns["out_per_s"] == [0.0, None, 0.666667, None]
    assert columns["waiting"] == [0, None, 4, None]
    assert columns["p95_s"] == [None, None, 0.25, None]
    assert {len(column) for column in columns.values()} == {4}
