from typing import Any

from jobs.core.operations.operations_history import History, HistorySpan
from jobs.core.operations.past_table import past_table

START = 1_795_962_600  # 2026-11-29 14:30:00 UTC
COLUMNS = (
    "in_per_s",
    "out_per_s",
    "waiting",
    "oldest_s",
    "p50_s",
    "p95_s",
    "p99_s",
    "batch_size",
    "failed_per_s",
    "workers",
)


def history(minutes: int, **columns: list[Any]) -> History:
    at = [START + 60 * minute for minute in range(minutes)]
    blank: dict[str, Any] = {name: [None] * minutes for name in COLUMNS}
    return History(
        span=HistorySpan.DAY, step_s=60, model="", models=[], age_s=1.0, at=at, **{**blank, **columns}
    )


def rows(past: History) -> list[list[str]]:
    return [[cell.text for cell in row.cells] for row in past_table(past).rows]


def test_five_minutes_are_a_row_and_the_newest_comes_first() -> None:
    past = history(
        7, in_per_s=[10.0] * 5 + [40.0, None], p95_s=[0.1, 0.2, 0.9, 0.1, 0.1, 0.3, None], waiting=[1] * 7
    )
    assert rows(past) == [
        ["14:35", "40.0/s", "-", "1", "-", "300 ms", "-"],
        ["14:30", "10.0/s", "-", "1", "-", "900 ms", "-"],
    ]


def test_times_without_a_record_have_no_row_and_an_hour_is_shown() -> None:
    assert rows(history(30)) == []
    shown = rows(history(180, out_per_s=[1.0] * 180))
    assert len(shown) == 12
    assert (shown[0][0], shown[-1][0]) == ("17:25", "16:30")
