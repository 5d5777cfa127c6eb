"""Patterns that users write into schemas: they run in engines whose time grows with the text only. Pure.

A backtracking engine, as Python's `re`, can take for ever on a short text, and holds the interpreter lock all
the while. So the validator uses Rust's `regex`, and what the platform itself matches runs in RE2. Neither
knows backreferences nor lookaround.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

import jsonschema_rs
import re2

from models_registry.core.unique_items import UniqueItems

LINEAR: Final = jsonschema_rs.RegexOptions()
_DATA = frozenset({"const", "enum", "default", "examples"})  # their values are no schemas
_END_OF_TEXT = re.compile(r"(?<!\\)((?:\\\\)*)\\Z")  # not an escaped backslash before a letter Z


def validator(schema: Any) -> jsonschema_rs.Validator:
    """Return the validator of a schema; ValueError where it is no schema, or a pattern is refused."""
    return jsonschema_rs.validator_for(
        schema, offline=True, keywords={"uniqueItems": UniqueItems}, pattern_options=LINEAR
    )


def patterns(schema: Any) -> Iterator[str]:
    """Yield each pattern that a schema may match values or property names against."""
    if isinstance(schema, dict):
        pattern, properties = schema.get("pattern"), schema.get("patternProperties")
        yield from [pattern] if isinstance(pattern, str) else ()
        yield from properties if isinstance(properties, dict) else ()
        for name, part in schema.items():
            yield from patterns(part) if name not in _DATA else ()
    elif isinstance(schema, list):
        for part in schema:
            yield from patterns(part)


def plain_ends(schema: Any) -> Any:
    r"""Return a schema made from Python's types with the end of a text as `$`: JSON Schema knows no `\Z`."""
    if isinstance(schema, list):
        return [plain_ends(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {name: plain_ends(part) for name, part in schema.items()}
    if isinstance(plain.get("pattern"), str):
        plain["pattern"] = _END_OF_TEXT.sub(r"\1$", plain["pattern"])
    return plain


def refusal(pattern: str, *, matched_here: bool = False) -> str:
    """Return why a pattern is refused, empty where it is not; `matched_here` means by RE2 as well."""
    try:
        validator({"pattern": pattern})
        if matched_here:
            re2.compile(pattern, _quiet())
    except (ValueError, re2.error) as error:
        reason = error.args[0] if isinstance(error, re2.error) and error.args else ""
        words = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        return words or "it is too large, is no pattern, or uses a backreference or lookaround"
    return ""


@lru_cache(maxsize=1_000)
def linear(pattern: str) -> Any | None:
    """Return the pattern compiled by RE2, None where RE2 refuses it."""
    try:
        return re2.compile(pattern, _quiet())
    except re2.error:
        return None


def _quiet() -> Any:
    options = re2.Options()
    options.log_errors = False
    return options
