"""Make the partitions of payloads before the first jobs that need them."""

from __future__ import annotations

import logging

import sqlalchemy as sa

from jobs.core.retention.partition_sql import TABLES
from jobs.core.retention.policy import Window, windows_around
from jobs.services.retention import partition_statements
from jobs.services.retention.keep_days import default_days
from jobs.services.retention.partition_statements import BusyError
from models_registry.selectors import retention_classes

log = logging.getLogger(__name__)


def make_ahead(session: sa.Connection, keep_classes: set[int], *, now_ms: int) -> list[Window]:
    """Make the windows that these classes lack from yesterday on; return those that could not be made now."""
    late, busy = set[Window](), set[tuple[str, int]]()
    for table, window in missing(session, keep_classes, now_ms=now_ms):
        if (table, window.keep_days) in busy:  # each further try would hold up others once more
            late.add(window)
            continue
        try:
            _make(session, table, window, now_ms)
        except BusyError as error:
            log.warning("%s has no partition %s yet: %s", table, window.suffix, error)
            late.add(window)
            busy.add((table, window.keep_days))
    return sorted(late)


def missing(session: sa.Connection, keep_classes: set[int], *, now_ms: int) -> list[tuple[str, Window]]:
    """Return which tables lack which windows of these classes, from yesterday's on."""
    existing = {(leaf.table, leaf.window) for leaf in partition_statements.leaves(session)}
    around = [window for days in sorted(keep_classes) for window in windows_around(days, now_ms)]
    return [(table, window) for window in around for table in TABLES if (table, window) not in existing]


def classes_in_use() -> set[int]:
    """Return the classes that versions of the registry name, and the default one."""
    return retention_classes() | {default_days()}


def _make(session: sa.Connection, table: str, window: Window, now_ms: int) -> None:
    if window.keep_days not in partition_statements.classes(session, table):
        partition_statements.make_class(
            session, table, window.keep_days, windows_around(window.keep_days, now_ms)
        )
    elif window not in {leaf.window for leaf in partition_statements.leaves(session) if leaf.table == table}:
        partition_statements.make_window(session, table, window)
