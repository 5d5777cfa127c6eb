"""A report of a trial as tables, whatever is in it: values, values by name, and lists of rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from jobs.admin.links import job_link, whole_id
from jobs.admin.rollouts.rollout_columns import words
from models_registry.shared.admin_render import NONE, compact, table

DIFFERENCES = "differences"  # shown on their own: ids of jobs
MOST_ROWS = 100


def report_tables(report: Mapping[str, Any]) -> SafeString:
    """Return a report without its list of differences."""
    plain = [
        (words(name), _value(value)) for name, value in report.items() if not isinstance(value, dict | list)
    ]
    parts = [table(("result", ""), plain)] if plain else []
    parts += [part for name, value in report.items() if name != DIFFERENCES and (part := _part(name, value))]
    return format_html_join("", "{}", ((part,) for part in parts))


def _part(name: str, value: Any) -> SafeString | None:
    if isinstance(value, dict) and value:
        return table((words(name), ""), ((words(key), _value(each)) for key, each in value.items()))
    if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
        names = list(dict.fromkeys(key for row in value for key in row))
        rows = ([_value(row.get(key)) for key in names] for row in value[:MOST_ROWS])
        return format_html("<p>{}</p>{}", words(name), table([words(key) for key in names], rows))
    return (
        format_html("<p>{}: {}</p>", words(name), compact(value))
        if isinstance(value, list) and value
        else None
    )


def _value(value: Any) -> object:
    if isinstance(value, float):
        return f"{value:,.4g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else value


def differences_table(rows: Sequence[Mapping[str, Any]], *, linked: bool) -> SafeString | str:
    """Return the jobs whose outputs differ most, as links only where the user may see their payloads."""
    cells = list(_differences(rows[:MOST_ROWS], linked=linked))
    return table(("job", "distance"), cells) if cells else "none"


def _differences(rows: Sequence[Mapping[str, Any]], *, linked: bool) -> Iterator[tuple[object, ...]]:
    for row in rows:
        job = row.get("job", "")
        far = row.get("distance")
        yield (job_link(job) if linked else whole_id(job)), NONE if far is None else f"{far:,.4g}"
