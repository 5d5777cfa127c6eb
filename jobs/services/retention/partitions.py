"""Make the partitions of payloads before the first jobs that need them."""

from __future__ import annotations

import logging
import time
from contextlib import closing

import sqlalchemy as sa

from jobs.core.retention.partition_sql import TABLES, class_of
from jobs.core.retention.policy import Window, windows_around
from jobs.db.session import open_session
from jobs.db.statement import Statement, fetch_all
from jobs.services.retention import partition_statements
from jobs.services.retention.keep_days import default_days
from jobs.services.retention.partition_statements import BusyError
from models_registry.selectors import versions_options

log = logging.getLogger(__name__)
_EXISTS = Statement("SELECT to_regclass(%(table)s) IS NOT NULL", bool)
_ensured = set[int]()


def ensure_class(keep_days: int) -> None:
    """Make a class that has no partitions yet, once a process; until then its rows go to a default one."""
    if keep_days in _ensured:
        return
    _ensured.add(keep_days)
    (exists,) = fetch_all(_EXISTS, {"table": class_of(TABLES[-1], keep_days)})
    if not exists:
        try:
            with closing(open_session()) as session:
                make_ahead(session, {keep_days}, now_ms=time.time_ns() // 1_000_000)
        except sa.exc.SQLAlchemyError:  # the default partition takes the job, so no submit fails
            log.warning("there are no partitions for %s days yet", keep_days, exc_info=True)


def make_ahead(session: sa.Connection, keep_classes: set[int], *, now_ms: int) -> list[Window]:
    """Make the windows that these classes lack from yesterday on; return those that could not be made now."""
    late = set[Window]()
    for table, window in missing(session, keep_classes, now_ms=now_ms):
        try:
            _make(session, table, window, now_ms)
        except BusyError as error:
            log.warning("%s has no partition %s yet: %s", table, window.suffix, error)
            late.add(window)
    return sorted(late)


def missing(session: sa.Connection, keep_classes: set[int], *, now_ms: int) -> list[tuple[str, Window]]:
    """Return which tables lack which windows of these classes, from yesterday's on."""
    existing = {(leaf.table, leaf.window) for leaf in partition_statements.leaves(session)}
    around = [window for days in sorted(keep_classes) for window in windows_around(days, now_ms)]
    return [(table, window) for window in around for table in TABLES if (table, window) not in existing]


def classes_in_use() -> set[int]:
    """Return the classes that versions of the registry name, and the default one."""
    named = {options.get("retention_days") for options in versions_options("retention_days")}
    return {days for days in named if isinstance(days, int)} | {default_days()}


def _make(session: sa.Connection, table: str, window: Window, now_ms: int) -> None:
    if window.keep_days not in partition_statements.classes(session, table):
        partition_statements.make_class(
            session, table, window.keep_days, windows_around(window.keep_days, now_ms)
        )
    elif window not in {leaf.window for leaf in partition_statements.leaves(session) if leaf.table == table}:
        partition_statements.make_window(session, table, window)
