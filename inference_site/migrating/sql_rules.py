"""What SQL in a migration does to the release before, by its words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from inference_site.migrating.migration_rules import LARGE, MigrationRule

# A block runs at once, the body of a function later.
BLOCK = re.compile(r"\bDO\s+(?:LANGUAGE\s+\w+\s+)?(\$\w*\$)(.*?)\1", re.DOTALL | re.IGNORECASE)
BODY = re.compile(r"(\$\w*\$).*?\1", re.DOTALL)
TEXT = re.compile(r"'(?:[^']|'')*'")
_SERIAL = r"(?:BIG|SMALL)?SERIAL[248]?"
_TABLE = r"^ALTER TABLE (?:IF EXISTS )?(?:ONLY )?(\w+)"
COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
LARGE_TABLES = {name.replace(".", "_") for name in LARGE}
_ANYWHERE = (
    (MigrationRule.RENAMES, re.compile(r"^ALTER\b.*\bRENAME\b")),
    (MigrationRule.DROPS_DEFAULT, re.compile(r"\bDROP DEFAULT\b")),
    (MigrationRule.CHANGES_TYPE, re.compile(r"\bALTER (?:COLUMN )?\w+ (?:SET DATA )?TYPE\b")),
    (MigrationRule.NOT_NULL, re.compile(r"\bSET NOT NULL\b")),
    (
        MigrationRule.REWRITES,
        re.compile(r"^(?:LOCK|VACUUM FULL|CLUSTER|TRUNCATE)\b|^REINDEX\b(?!.*\bCONCURRENTLY\b)"),
    ),
)
# Of one column that an ALTER TABLE adds; the word COLUMN may be missing.
_ADDED = re.compile(
    r"\bADD (?:COLUMN )?(?:IF NOT EXISTS )?"
    r"(?!(?:CONSTRAINT|CHECK|UNIQUE|PRIMARY|FOREIGN|EXCLUDE|GENERATED)\b)\w+ .*"
)
_OF_ADDED = (
    (MigrationRule.NOT_NULL, re.compile(rf"^(?!.*\b(?:DEFAULT|GENERATED|{_SERIAL})\b).*\bNOT NULL\b")),
    (
        MigrationRule.VOLATILE,
        re.compile(
            r"\bDEFAULT (?:\w*UUID\w*|RANDOM|CLOCK_TIMESTAMP|TIMEOFDAY|NEXTVAL)\b"
            rf"|\bGENERATED\b|\b{_SERIAL}\b"
        ),
    ),
)
_ON_LARGE = (
    (MigrationRule.LOCKS, re.compile(r"^CREATE (?:UNIQUE )?INDEX (?!CONCURRENTLY\b).*?\bON (?:ONLY )?(\w+)")),
    (MigrationRule.LOCKS, re.compile(rf"{_TABLE} .*\b(?:UNIQUE|PRIMARY KEY)\b(?! USING INDEX)")),
    (
        MigrationRule.SCANS,
        re.compile(rf"{_TABLE} .*\b(?:CHECK|FOREIGN KEY|REFERENCES)\b(?!.*\bNOT VALID\b)"),
    ),
    (MigrationRule.REWRITES, re.compile(rf"{_TABLE} .*\bSET (?:UNLOGGED|LOGGED|TABLESPACE)\b")),
)
_DROPPED = re.compile(
    r"^DROP (?:TABLE|VIEW|MATERIALIZED VIEW) (?:IF EXISTS )?([\w, ]+?)(?: CASCADE| RESTRICT)?$"
)
_DROPPED_COLUMN = re.compile(
    r"\bDROP (?:COLUMN )?(?:IF EXISTS )?"
    r"(?!CONSTRAINT\b|DEFAULT\b|NOT NULL\b|IDENTITY\b|EXPRESSION\b|COLUMN\b|IF EXISTS\b)(\w+)"
)
_ALTERED = re.compile(_TABLE)
_DATA = re.compile(r"^(?:WITH\b.*)?\b(?:UPDATE|DELETE FROM|INSERT INTO|MERGE INTO)\b")
_CONCURRENTLY = re.compile(r"\bCONCURRENTLY\b")
_BEGIN = re.compile(r"^(?:DECLARE .*)?BEGIN ")  # of a block


class Broken(NamedTuple):
    """A broken rule, and the name of what is taken away where there is one."""

    rule: MigrationRule
    name: str = ""


def statements_of(sql: object) -> list[str]:
    """Return the statements of a RunSQL's `sql` in capitals and on one line each, without comments."""
    parts = [sql] if isinstance(sql, str) else sql if isinstance(sql, Iterable) else []
    texts = [part if isinstance(part, str) else part[0] for part in parts]
    whole = BLOCK.sub(r";\2;", COMMENT.sub(" ", ";".join(texts)))
    plain = TEXT.sub("''", BODY.sub("''", whole)).replace('"', "").replace("public.", "")
    pieces = (" ".join(text.split()).upper() for text in plain.split(";"))
    return [_BEGIN.sub("", piece) for piece in pieces if piece]


def broken_by(statement: str) -> Iterator[Broken]:
    """Yield what one statement breaks, whatever else its migration does."""
    yield from (Broken(rule) for rule, pattern in _ANYWHERE if pattern.search(statement))
    for rule, pattern in _ON_LARGE:
        match = pattern.search(statement)
        if match and match[1].lower() in LARGE_TABLES:
            yield Broken(rule)
    if _ALTERED.search(statement):
        yield from {*_broken_by_clauses(_clauses(statement))}
    for name in _dropped(statement):
        yield Broken(MigrationRule.TAKES_AWAY, name)


def _broken_by_clauses(clauses: Iterable[str]) -> Iterator[Broken]:
    for clause in clauses:
        if added := _ADDED.search(clause):
            yield from (Broken(rule) for rule, pattern in _OF_ADDED if pattern.search(added[0]))
        elif dropped := _DROPPED_COLUMN.search(clause):
            yield Broken(MigrationRule.TAKES_AWAY, dropped[1].lower())


def _clauses(statement: str) -> list[str]:
    """Return the parts between the commas of a statement that are outside of parentheses."""
    flat = statement
    while (inner := re.sub(r"\([^()]*\)", "", flat)) != flat:
        flat = inner
    return flat.split(",")


def _dropped(statement: str) -> list[str]:
    match = _DROPPED.search(statement)
    return [name.strip().lower() for name in match[1].split(",")] if match else []


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
