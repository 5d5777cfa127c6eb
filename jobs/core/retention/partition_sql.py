"""How payloads are partitioned, and the statements with which the migration did it. Pure.

Later partitions are made by functions of the tables' owner, with the same statements.

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


def class_of(table: str, keep_days: int) -> str:
    """Return the name of a class's table."""
    return f"{table}_k{keep_days}"


def _move(source: str, target: str, condition: str) -> Iterator[str]:
    # Readers go on until the attach; the caller sets a short lock timeout.
    yield f"LOCK TABLE {source} IN EXCLUSIVE MODE"
    yield (
        f"WITH moved AS (DELETE FROM {source} WHERE {condition} RETURNING *)"  # noqa: S608  # our own names
        f" INSERT INTO {target} SELECT * FROM moved"
    )


def _bounds(window: Window) -> str:
    return f"FOR VALUES FROM ('{window.first_id}') TO ('{window.end_id}')"
