"""The rules for migrations, each with the sentence that says what to do instead.

A migration of a release runs while processes of the release before read and write the same tables. So it
only adds, takes short locks, and can be taken back. What it takes away was unused in the release before.
"""

from __future__ import annotations

from enum import StrEnum


class MigrationRule(StrEnum):
    """A rule by its stable name, which a migration's `lint_allows` uses too."""

    TAKES_AWAY = "takes_away"
    RENAMES = "renames"
    NOT_NULL = "not_null_without_default"
    DROPS_DEFAULT = "drops_default"
    CHANGES_TYPE = "changes_type"
    VOLATILE = "volatile_default"
    LOCKS = "index_locks_writes"
    SCANS = "constraint_scans"
    REWRITES = "rewrites_table"
    NO_REVERSE = "no_reverse"
    DATA = "data_with_schema"
    CONCURRENTLY = "concurrently_in_transaction"
    SEVERAL = "several_tables"
    STALE_MARK = "stale_mark"


SENTENCES: dict[MigrationRule, str] = {
    MigrationRule.TAKES_AWAY: (
        "The release before still uses it. Stop using it in one release and remove it in the next: "
        "`contracts = {NAME: MIGRATION}` names the earlier migration since which no code uses it."
    ),
    MigrationRule.RENAMES: (
        "The release before knows only the old name. Add the new one, write both, and remove the old one in "
        "a later release."
    ),
    MigrationRule.NOT_NULL: (
        "The release before inserts rows without a value for this column. Give it a db_default, or null=True."
    ),
    MigrationRule.DROPS_DEFAULT: (
        "The release before relies on the column's default in the database. Keep the db_default, or allow "
        "NULL."
    ),
    MigrationRule.CHANGES_TYPE: (
        "The table is rewritten under an exclusive lock, or values of the release before do not fit. Add a "
        "column of the new type, write both, and remove the old one in a later release."
    ),
    MigrationRule.VOLATILE: (
        "The value is computed for each row, so the table is rewritten under an exclusive lock. Add the "
        "column with null=True and fill it in small batches."
    ),
    MigrationRule.LOCKS: (
        "On a large table nothing can be written until the index is built. Use AddIndexConcurrently (or "
        "CREATE INDEX CONCURRENTLY) in a migration with atomic = False; a unique constraint then takes that "
        "index."
    ),
    MigrationRule.SCANS: (
        "On a large table every row is checked under a lock. Use AddConstraintNotValid (or NOT VALID), and "
        "ValidateConstraint in a migration of its own; references to large tables have db_constraint=False."
    ),
    MigrationRule.REWRITES: (
        "The whole table is rewritten or locked. Do it in small steps outside of a migration."
    ),
    MigrationRule.NO_REVERSE: (
        "It cannot be taken back. Give reverse_code or reverse_sql; its noop where nothing is to be done."
    ),
    MigrationRule.DATA: (
        "Rows are changed in the transaction that holds the schema's locks. Change rows in a migration of "
        "their own."
    ),
    MigrationRule.CONCURRENTLY: (
        "CONCURRENTLY works outside of transactions only. Set atomic = False, and do nothing else in that "
        "migration."
    ),
    MigrationRule.SEVERAL: (
        "It holds one table while it waits for another, and a query that joins both waits for it: a "
        "deadlock. "
        "Change one table of the release before in a migration."
    ),
    MigrationRule.STALE_MARK: (
        "A mark in `contracts` names no earlier migration of the app, or a mark in `contracts` or "
        "`lint_allows` matches nothing here. Correct it or remove it."
    ),
}

# Tables with rows for each job or event: hundreds of millions of rows in production.
LARGE = frozenset({
    "jobs.attemptmessage", "jobs.batch", "jobs.cacheentry", "jobs.deadletter", "jobs.delivery",
    "jobs.event", "jobs.follower", "jobs.job", "jobs.jobinput", "jobs.jobkey", "jobs.joblabel",
    "jobs.jobresult", "jobs.outbox", "jobs.route", "jobs.subject", "jobs.upload",
})  # fmt: skip
