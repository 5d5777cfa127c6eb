"""What Postgres itself can tell of a pointer in a row; `{0}` is the column."""

from __future__ import annotations

from typing import LiteralString

IS_POINTER: LiteralString = "substr({0}, 1, 7) = '\\x00636c61696d00'::bytea"
POINTER: LiteralString = "convert_from(substr({0}, 8), 'UTF8')::json"
# How many bytes a column's stand for; a literal NULL is none.
BYTES: LiteralString = f"CASE WHEN {IS_POINTER} THEN ({POINTER}->>'size')::bigint ELSE length({{0}}) END"
# And how many its files have.
FILES_BYTES: LiteralString = f"""CASE WHEN {IS_POINTER} THEN (
  SELECT COALESCE(sum((file->>'size')::bigint), 0)::bigint
  FROM json_array_elements({POINTER}->'files') AS file
) ELSE 0 END"""  # noqa: S608  # built from our own constants
