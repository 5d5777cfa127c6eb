"""The statements that create and detach partitions of payloads, also for the migration. Pure.

    jobs_jobinput                 by list of keep_days: a class
      jobs_jobinput_k30           by range of job_id: a window of days
        jobs_jobinput_k30_20261124
        jobs_jobinput_k30_other   ids of days without a partition, so that no row is refused
      jobs_jobinput_other         classes without a partition

A new partition is created beside the table and then attached, so that readers and writers go on. Rows that
came before their partition are first moved into it, under a lock on the default partition that holds them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from jobs.core.retention.policy import Window

TABLES = ("jobs_jobinput", "jobs_jobresult")


def make_class(table: str, keep_days: int, windows: Iterable[Window]) -> Iterator[str]:
    """Yield the statements that create a class with these windows and move its rows out of the default."""
    partition, other = class_of(table, keep_days), f"{table}_other"
    yield f"CREATE TABLE {partition} (LIKE {table} INCLUDING ALL) PARTITION BY RANGE (job_id)"
    yield f"CREATE TABLE {partition}_other PARTITION OF {partition} DEFAULT"
    for window in windows:
        yield f"CREATE TABLE {table}{window.suffix} PARTITION OF {partition} {_bounds(window)}"
    yield from _move(other, partition, f"keep_days = {keep_days}")
    yield f"ALTER TABLE {table} ATTACH PARTITION {partition} FOR VALUES IN ({keep_days})"


def make_window(table: str, window: Window) -> Iterator[str]:
    """Yield the statements that create a window of an existing class and move its rows into it."""
    parent, partition = class_of(table, window.keep_days), f"{table}{window.suffix}"
    yield f"CREATE TABLE {partition} (LIKE {parent} INCLUDING ALL)"
    yield from _move(f"{parent}_other", partition, within(window))
    yield f"ALTER TABLE {parent} ATTACH PARTITION {partition} {_bounds(window)}"


def detach(table: str, window: Window) -> str:
    """Return the statement that detaches a window from its class."""
    return f"ALTER TABLE {class_of(table, window.keep_days)} DETACH PARTITION {table}{window.suffix}"


def class_of(table: str, keep_days: int) -> str:
    """Return the name of a class's table."""
    return f"{table}_k{keep_days}"


def within(window: Window) -> str:
    """Return the condition for rows of jobs within the window."""
    return f"job_id >= '{window.first_id}' AND job_id < '{window.end_id}'"


def _move(source: str, target: str, condition: str) -> Iterator[str]:
    # Readers go on until the attach; the caller sets a short lock timeout.
    yield f"LOCK TABLE {source} IN EXCLUSIVE MODE"
    yield (
        f"WITH moved AS (DELETE FROM {source} WHERE {condition} RETURNING *)"  # noqa: S608  # our own names
        f" INSERT INTO {target} SELECT * FROM moved"
    )


def _bounds(window: Window) -> str:
    return f"FOR VALUES FROM ('{window.first_id}') TO ('{window.end_id}')"
