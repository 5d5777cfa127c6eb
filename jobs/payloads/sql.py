"""SQL expressions that read a pointer in a row; `{0}` is the column."""

from __future__ import annotations

from typing import LiteralString

IS_POINTER: LiteralString = "substr({0}, 1, 7) = '\\x00636c61696d00'::bytea"
POINTER: LiteralString = "convert_from(substr({0}, 8), 'UTF8')::json"
# Size of the payload behind a column (its own bytes, or the object that its pointer names).
BYTES: LiteralString = f"CASE WHEN {IS_POINTER} THEN ({POINTER}->>'size')::bigint ELSE length({{0}}) END"
# Size of the files behind a column.
FILES_BYTES: LiteralString = f"""CASE WHEN {IS_POINTER} THEN (
  SELECT COALESCE(sum((file->>'size')::bigint), 0)::bigint
  FROM json_array_elements({POINTER}->'files') AS file
) ELSE 0 END"""  # noqa: S608  # built from our own constants
