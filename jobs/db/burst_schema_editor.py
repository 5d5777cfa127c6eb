"""Runs the statements of a migration in one burst, so that its locks are held for an instant only.

Between two operations Django builds all models again, which takes up to seconds. Statements that ran as they
came would hold the locks of the first operation meanwhile, and the release before waits for no lock for long.
Before an operation looks at the tables, what was kept is run: it must see them as they then are.
"""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any

from django.db.backends.postgresql.schema import DatabaseSchemaEditor
from django.db.migrations import RunPython, SeparateDatabaseAndState
from django.db.migrations.migration import Migration

# A migration that waits for its lock holds up all others behind it, and the API gives up after a second: a
# transaction that locks three tables must have failed before. `manage.py migrate` tries again.
MIGRATION_LOCK_TIMEOUT = "200ms"
_SHORT = f"SET LOCAL lock_timeout = '{MIGRATION_LOCK_TIMEOUT}'"  # behind a pooler no session keeps a setting


class BurstSchemaEditor(DatabaseSchemaEditor):
    """Keeps the statements of a migration in a list, and runs them when its operations are through."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._kept: list[tuple[Any, Any]] | None = []

    def execute(self, sql: Any, params: Any = ()) -> None:
        """Keep a statement for the burst."""
        if self._kept is None or self.collect_sql:
            super().execute(sql, params)
        else:
            self._kept.append((sql, params))

    def _constraint_names(self, *args: Any, **kwargs: Any) -> Any:
        self._run_kept()
        return super()._constraint_names(*args, **kwargs)  # type: ignore[misc]  # not among Django's stubs

    def _get_sequence_name(self, *args: Any, **kwargs: Any) -> Any:
        self._run_kept()
        return super()._get_sequence_name(*args, **kwargs)  # type: ignore[misc]  # not among Django's stubs

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if exc_type is None and self._kept is not None:
            try:
                self._kept += [(sql, None) for sql in self.deferred_sql]
                self.deferred_sql = []
                self._run_kept()
                self._kept = None
            except BaseException:
                if self.atomic_migration:
                    self.atomic.__exit__(*sys.exc_info())
                raise
        super().__exit__(exc_type, exc_value, traceback)

    def _run_kept(self) -> None:
        if not self._kept:
            return
        statements, self._kept = [(_SHORT, None), *self._kept], []
        for sql, params in statements:
            super().execute(sql, params)


def may_burst(migration: Migration) -> bool:
    """Return whether a migration is one transaction of statements that need no Python between them."""
    return bool(migration.atomic) and not any(
        isinstance(operation, RunPython | SeparateDatabaseAndState) for operation in migration.operations
    )
