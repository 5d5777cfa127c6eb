"""Make the partitions of payloads ahead of the jobs that they are for."""

from __future__ import annotations

import logging
import time
from contextlib import closing
from typing import LiteralString

import sqlalchemy as sa

from jobs.core.retention.partition_sql import TABLES, class_of
from jobs.core.retention.policy import Window, windows_around
from jobs.db.positional import fetch_all
from jobs.db.session import open_session
from jobs.services.retention import partition_statements
from jobs.services.retention.keep_days import default_days
from jobs.services.retention.partition_statements import BusyError
from models_registry.selectors import versions_options

log = logging.getLogger(__name__)
_THERE: LiteralString = "SELECT to_regclass(%s) IS NOT NULL"
_seen = set[int]()


def ensure_class(keep_days: int) -> None:
    """Make a class that has no partitions yet, once a process; its rows go to a default one until then."""
    if keep_days in _seen:
        return
    _seen.add(keep_days)
    ((there,),) = fetch_all(_THERE, (class_of(TABLES[-1], keep_days),))
    if not there:
        try:
            with closing(open_session()) as session:
                make_ahead(session, {keep_days}, now_ms=time.time_ns() // 1_000_000)
        except sa.exc.SQLAlchemyError:  # the default partition takes the job: no submit fails of this
            log.warning("there are no partitions for %s days yet", keep_days, exc_info=True)


def make_ahead(session: sa.Connection, wanted: set[int], *, now_ms: int) -> list[Window]:
    """Make what `wanted` classes lack from yesterday on; return the windows that could not be made now."""
    late = set[Window]()
    for table, window in missing(session, wanted, now_ms=now_ms):
        try:
            _make(session, table, window, now_ms)
        except BusyError as error:
            log.warning("%s has no partition %s yet: %s", table, window.suffix, error)
            late.add(window)
    return sorted(late)


def missing(session: sa.Connection, wanted: set[int], *, now_ms: int) -> list[tuple[str, Window]]:
    """Return which tables lack which windows of the classes, from yesterday's on."""
    there = {(leaf.table, leaf.window) for leaf in partition_statements.leaves(session)}
    around = [window for days in sorted(wanted) for window in windows_around(days, now_ms)]
    return [(table, window) for window in around for table in TABLES if (table, window) not in there]


def wanted_classes() -> set[int]:
    """Return the classes that versions of the registry name, and the one of those that name none."""
    named = {options.get("retention_days") for options in versions_options("retention_days")}
    return {days for days in named if isinstance(days, int)} | {default_days()}


def _make(session: sa.Connection, table: str, window: Window, now_ms: int) -> None:
    if window.keep_days not in partition_statements.classes(session, table):
        partition_statements.make_class(
            session, table, window.keep_days, windows_around(window.keep_days, now_ms)
        )
    elif window not in {leaf.window for leaf in partition_statements.leaves(session) if leaf.table == table}:
        partition_statements.make_window(session, table, window)
