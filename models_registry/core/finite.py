"""Where a value holds NaN or infinity, which JSON cannot carry and no caller expects."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite
from typing import Any


def is_finite(value: Any) -> bool:
    """Say whether no number in lists and objects is NaN or infinite."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, float):
            if not isfinite(item):
                return False
        elif isinstance(item, dict):
            pending.extend(item.values())
        elif isinstance(item, list | tuple):
            pending.extend(item)
    return True


def not_finite_at(value: Any) -> str | None:
    """Return the JSON pointer of the first NaN or infinity, a tenth as quick; None where there is none."""
    level: list[tuple[str, Any]] = [("", value)]
    while level:
        for at, item in level:
            if isinstance(item, float) and not isfinite(item):
                return at
        level = [child for at, item in level for child in _children(at, item)]
    return None


def _children(at: str, item: Any) -> Iterable[tuple[str, Any]]:
    if isinstance(item, dict):
        return ((f"{at}/{_step(key)}", child) for key, child in item.items())
    if isinstance(item, list | tuple):
        return ((f"{at}/{place}", child) for place, child in enumerate(item))
    return ()


def _step(key: object) -> str:
    return str(key).replace("~", "~0").replace("/", "~1")
