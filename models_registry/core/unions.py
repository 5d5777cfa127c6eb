"""Schemas without their unions, which find a fault in a large value in little time. Pure.

For a value that fits no branch of `anyOf` or `oneOf`, the validator lists every fault of every branch,
although one is shown: of 8,000 items that takes 50 ms to 5 s, and in a union that holds itself it grows
threefold with each level. Whether a value fits, it knows at once.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

import jsonschema_rs

from models_registry.core import patterns

UNIONS = frozenset({"anyOf", "oneOf"})
MOST_PARTS, MOST_LEVELS = 64, 3
_OF_SCHEMAS = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
_DATA = frozenset({"const", "enum", "default", "examples", "required", "dependentRequired"})


def is_costly(schema: str, value: Any) -> bool:
    """Return whether it may take long to say what is wrong with a value."""
    return any(union in schema for union in UNIONS) and not _is_brief(value)


@lru_cache(maxsize=1_000)
def outside(schema: str) -> jsonschema_rs.Validator | None:
    """Return the validator of a schema without its unions; None where it does not stand without them."""
    if "unevaluated" in schema:  # these see what a union has seen
        return None
    try:
        return patterns.validator(json.dumps(_without(json.loads(schema))))
    except ValueError:  # a reference into a union
        return None


def _without(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_without(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {name: _part(name, part) for name, part in schema.items() if name not in UNIONS}


def _part(name: str, part: Any) -> Any:
    if name in _DATA:
        return part
    if name in _OF_SCHEMAS and isinstance(part, dict):
        return {key: _without(schema) for key, schema in part.items()}
    return _without(part)


def _is_brief(value: Any) -> bool:
    level, parts = [value], 0
    for _ in range(MOST_LEVELS + 1):
        parts += len(level)
        if parts > MOST_PARTS:
            return False
        nested = [part for part in level if isinstance(part, dict | list)]
        if parts + sum(map(len, nested)) > MOST_PARTS:
            return False
        level = [child for part in nested for child in (part.values() if isinstance(part, dict) else part)]
    return not level
