"""Jobs of past days, in partitions of a retention class that no other test uses."""

from __future__ import annotations

import secrets
import time
from contextlib import closing
from typing import Any

from django.db import connection

from jobs.core.ids import uuid7
from jobs.core.retention.partition_sql import TABLES
from jobs.core.retention.policy import DAY_MS, Window
from jobs.core.states import State
from jobs.db.session import open_session
from jobs.models import Job
from jobs.services.retention import partition_statements
from jobs.services.retention.retain import PartitionVerdict
from tests.support.factories import make_job

CLASS = 2


def today() -> int:
    return time.time_ns() // 1_000_000 // DAY_MS


def window(days_ago: int, keep_days: int = CLASS) -> Window:
    """Return a day's window; one that is more than `keep_days` past is over."""
    return Window(keep_days, today() - days_ago)


def make(*windows: Window) -> None:
    """Make these windows in both tables, and their classes, where they are missing."""
    with closing(open_session()) as session:
        there = {(leaf.table, leaf.window) for leaf in partition_statements.leaves(session)}
        for table in TABLES:
            for missing in windows:
                if missing.keep_days not in partition_statements.classes(session, table):
                    partition_statements.make_class(session, table, missing.keep_days, [missing])
                elif (table, missing) not in there:
                    partition_statements.make_window(session, table, missing)


def job_of(day: Window, state: State = State.SUCCEEDED, *, at_ms: int = DAY_MS // 2, **fields: Any) -> Job:
    """Return a job of that window, with its payloads there."""
    job_id = uuid7(day.first_day * DAY_MS + at_ms, secrets.randbits(74))
    return make_job(state=state, id=job_id, **{"keep_days": day.keep_days} | fields)


def home(table: str, job: Any) -> str:
    """Return the partition that holds a job's row, or nothing where there is no row."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT tableoid::regclass::text FROM {table} WHERE job_id = %s", (job,))
        return "".join(name for (name,) in cursor.fetchall())


def exists(table: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", (table,))
        return bool(cursor.fetchall()[0][0])


def fates(verdicts: list[PartitionVerdict], day: Window) -> set[str]:
    """Return the verdicts on a window's partitions."""
    return {f"{verdict.fate}: {verdict.why}" for verdict in verdicts if verdict.leaf.window == day}
