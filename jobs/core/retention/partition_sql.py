"""The statements that make and unmake partitions of payloads: text alone, shared with the migration. Pure.

    jobs_jobinput                 by list of keep_days: a class
      jobs_jobinput_k30           by range of job_id: a window of days
        jobs_jobinput_k30_20261124
        jobs_jobinput_k30_other   ids of days without a partition: nothing is ever refused
      jobs_jobinput_other         classes without a partition

A new partition is made beside the table and then attached, which lets readers and writers go on; rows that
came too early are moved into it first, while nobody adds to the default partition that holds them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from jobs.core.retention.policy import Window

TABLES = ("jobs_jobinput", "jobs_jobresult")


def make_class(table: str, keep_days: int, windows: Iterable[Window]) -> Iterator[str]:
    """Yield what makes a class with these windows; its rows that wait in the root's default are moved."""
    made, other = class_of(table, keep_days), f"{table}_other"
    yield f"CREATE TABLE {made} (LIKE {table} INCLUDING ALL) PARTITION BY RANGE (job_id)"
    yield f"CREATE TABLE {made}_other PARTITION OF {made} DEFAULT"
    for window in windows:
        yield f"CREATE TABLE {table}{window.suffix} PARTITION OF {made} {_bounds(window)}"
    yield from _move(other, made, f"keep_days = {keep_days}")
    yield f"ALTER TABLE {table} ATTACH PARTITION {made} FOR VALUES IN ({keep_days})"


def make_window(table: str, window: Window) -> Iterator[str]:
    """Yield what makes a window of a class that is there; its rows that came too early are moved."""
    parent, made = class_of(table, window.keep_days), f"{table}{window.suffix}"
    yield f"CREATE TABLE {made} (LIKE {parent} INCLUDING ALL)"
    yield from _move(f"{parent}_other", made, within(window))
    yield f"ALTER TABLE {parent} ATTACH PARTITION {made} {_bounds(window)}"


def detach(table: str, window: Window) -> str:
    """Return what takes a window off its class, at once or not at all."""
    return f"ALTER TABLE {class_of(table, window.keep_days)} DETACH PARTITION {table}{window.suffix}"


def class_of(table: str, keep_days: int) -> str:
    """Return the name of a class's table."""
    return f"{table}_k{keep_days}"


def within(window: Window) -> str:
    """Return the condition that a row's job is of the window's days."""
    return f"job_id >= '{window.first_id}' AND job_id < '{window.end_id}'"


def _move(source: str, target: str, which: str) -> Iterator[str]:
    # Readers may go on until the attach, which waits for none: whoever runs this has a short patience.
    yield f"LOCK TABLE {source} IN EXCLUSIVE MODE"
    yield (
        f"WITH moved AS (DELETE FROM {source} WHERE {which} RETURNING *)"  # noqa: S608  # our own names
        f" INSERT INTO {target} SELECT * FROM moved"
    )


def _bounds(window: Window) -> str:
    return f"FOR VALUES FROM ('{window.first_id}') TO ('{window.end_id}')"
