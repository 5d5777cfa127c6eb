"""The last hour as a table, for those who see no charts: five minutes a row, newest first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from jobs.core.operations import amounts
from jobs.core.operations.operations_history import History
from jobs.core.operations.page_table import PageCell, PageColumn, PageRow, PageTable

ROW_S = 300
ROWS = 12
_COLUMNS = [
    PageColumn("from (UTC)", "", is_text=True),
    PageColumn("in", "Jobs that came, a second."),
    PageColumn("out", "Jobs that ended, a second."),
    PageColumn("waiting", "Most jobs that waited at once."),
    PageColumn("p50", "Of the slowest minute: half of the jobs took less."),
    PageColumn("p95", "Of the slowest minute: 95 of 100 jobs took less."),
    PageColumn("p99", "Of the slowest minute: 99 of 100 jobs took less."),
]
Values = Sequence[float | None]


def past_table(history: History) -> PageTable:
    """Return the last hour of a history; rows of which nothing is on record are left out."""
    rows = list(_rows(history))[-ROWS:][::-1]
    whose = history.model or "All models"
    return PageTable("past", f"{whose}: the last hour", _COLUMNS, rows, "Nothing is on record yet.")


def _rows(history: History) -> Iterator[PageRow]:
    figures: list[tuple[Values, Callable[[Values], float | None], Callable[[float | None], str]]] = [
        (history.in_per_s, _mean, amounts.rate),
        (history.out_per_s, _mean, amounts.rate),
        (history.waiting, _most, amounts.count),
        (history.p50_s, _most, amounts.span),
        (history.p95_s, _most, amounts.span),
        (history.p99_s, _most, amounts.span),
    ]
    for begin, part in _parts(history.at):
        values = [together(column[part]) for column, together, _ in figures]
        if any(value is not None for value in values):
            clock = f"{datetime.fromtimestamp(begin, UTC):%H:%M}"
            texts = (spell(value) for value, (_, _, spell) in zip(values, figures, strict=True))
            yield PageRow(str(begin), [PageCell(clock), *map(PageCell, texts)])


def _parts(times: Sequence[int]) -> Iterator[tuple[int, slice]]:
    """Yield each five minutes: when they begin, and which steps they have."""
    first = 0
    for place in range(1, len(times) + 1):
        if place == len(times) or times[place] // ROW_S != times[first] // ROW_S:
            yield times[first] // ROW_S * ROW_S, slice(first, place)
            first = place


def _mean(values: Values) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _most(values: Values) -> float | None:
    return max((value for value in values if value is not None), default=None)
