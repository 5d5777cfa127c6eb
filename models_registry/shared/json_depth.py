"""Bounds how deep a JSON value nests: native code that recurses over it could overflow the stack."""

from __future__ import annotations

from typing import Any

DEEPEST = 100


def is_deeper_than(value: Any, limit: int = DEEPEST) -> bool:
    """Return whether lists and objects nest in `value` more than `limit` times; never recurses."""
    level = [value] if isinstance(value, (list, dict)) else []
    for _ in range(limit):
        if not level:
            return False
        level = [child for parent in level for child in _children(parent) if isinstance(child, (list, dict))]
    return bool(level)


def _children(parent: Any) -> Any:
    return parent.values() if isinstance(parent, dict) else parent
