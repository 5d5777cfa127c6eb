"""What SQL in a migration does to the release before, by its words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from inference_site.migrating.migration_rules import LARGE, MigrationRule

BODY = re.compile(r"(\$\w*\$).*?\1", re.DOTALL)  # of a function: it runs later
COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
LARGE_TABLES = {name.replace(".", "_") for name in LARGE}
_ANYWHERE = (
    (MigrationRule.RENAMES, re.compile(r"\bALTER\b.*\bRENAME\b")),
    (MigrationRule.NOT_NULL, re.compile(r"\bSET NOT NULL\b|\bADD COLUMN\b(?!.*\bDEFAULT\b).*\bNOT NULL\b")),
    (MigrationRule.DROPS_DEFAULT, re.compile(r"\bDROP DEFAULT\b")),
    (MigrationRule.CHANGES_TYPE, re.compile(r"\bALTER (?:COLUMN )?\w+ (?:SET DATA )?TYPE\b")),
    (
        MigrationRule.VOLATILE,
        re.compile(r"\bDEFAULT (?:GEN_RANDOM_UUID|UUIDV7|RANDOM|CLOCK_TIMESTAMP|NEXTVAL)\b"),
    ),
    (
        MigrationRule.REWRITES,
        re.compile(r"^(?:LOCK|VACUUM FULL|CLUSTER|TRUNCATE)\b|^REINDEX\b(?!.*\bCONCURRENTLY\b)"),
    ),
)
_ON_LARGE = (
    (MigrationRule.LOCKS, re.compile(r"^CREATE (?:UNIQUE )?INDEX (?!CONCURRENTLY\b).*?\bON (?:ONLY )?(\w+)")),
    (
        MigrationRule.LOCKS,
        re.compile(r"^ALTER TABLE (?:ONLY )?(\w+) .*\b(?:UNIQUE|PRIMARY KEY)\b(?! USING INDEX)"),
    ),
    (
        MigrationRule.SCANS,
        re.compile(
            r"^ALTER TABLE (?:ONLY )?(\w+) .*\bADD CONSTRAINT \w+ (?:CHECK|FOREIGN KEY)\b(?!.*\bNOT VALID\b)"
        ),
    ),
    (
        MigrationRule.REWRITES,
        re.compile(r"^ALTER TABLE (?:ONLY )?(\w+) .*\bSET (?:UNLOGGED|LOGGED|TABLESPACE)\b"),
    ),
)
_TAKES_AWAY = re.compile(
    r"^DROP (?:TABLE|VIEW|MATERIALIZED VIEW) (?:IF EXISTS )?(\w+)|\bDROP COLUMN (?:IF EXISTS )?(\w+)"
)
_ALTERED = re.compile(r"^ALTER TABLE (?:ONLY )?(\w+)")
_DATA = re.compile(r"^(?:WITH\b.*)?\b(?:UPDATE|DELETE FROM|INSERT INTO)\b")
_CONCURRENTLY = re.compile(r"\bCONCURRENTLY\b")


class Broken(NamedTuple):
    """A broken rule, and the name of what is taken away where there is one."""

    rule: MigrationRule
    name: str = ""


def statements_of(sql: object) -> list[str]:
    """Return the statements of a RunSQL's `sql` in capitals and on one line each, without comments."""
    parts = [sql] if isinstance(sql, str) else sql if isinstance(sql, Iterable) else []
    texts = [part if isinstance(part, str) else part[0] for part in parts]
    plain = BODY.sub("''", COMMENT.sub(" ", ";".join(texts))).replace('"', "")
    return [" ".join(text.split()).upper() for text in plain.split(";") if text.strip()]


def broken_by(statement: str) -> Iterator[Broken]:
    """Yield what one statement breaks, whatever else its migration does."""
    yield from (Broken(rule) for rule, pattern in _ANYWHERE if pattern.search(statement))
    for rule, pattern in _ON_LARGE:
        match = pattern.search(statement)
        if match and match[1].lower() in LARGE_TABLES:
            yield Broken(rule)
    for match in _TAKES_AWAY.finditer(statement):
        yield Broken(MigrationRule.TAKES_AWAY, (match[1] or match[2]).lower())


def altered_tables(sql: object) -> set[str]:
    """Return the tables that a RunSQL's `sql` alters."""
    found = (_ALTERED.search(statement) for statement in statements_of(sql))
    return {match[1].lower() for match in found if match}


def changes_rows(statement: str) -> bool:
    """Return whether a statement changes rows."""
    return bool(_DATA.search(statement))


def is_concurrent(statement: str) -> bool:
    """Return whether a statement works outside of transactions only."""
    return bool(_CONCURRENTLY.search(statement))
