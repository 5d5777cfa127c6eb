"""What a rule changed of the one before it, field by field. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from models_registry.core.routing.rule_document import PPM

_FIRST = ("stable", "candidate", "share", "baseline", "arms", "cascade", "shadow")  # what decides comes first


class RuleChange(NamedTuple):
    """A field of a rule before and after; None where a rule does not have it."""

    name: str
    before: str | None
    after: str | None


def rule_changes(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> list[RuleChange]:
    """Return the fields that differ between two rules; of a first rule those that are set."""
    earlier = before or {}
    names = [*_FIRST, *sorted({*earlier, *after} - {*_FIRST})]
    return [
        RuleChange(name, _text(name, earlier), _text(name, after))
        for name in names
        if earlier.get(name) != after.get(name) and (before is not None or after.get(name))
    ]


def share_text(share: float) -> str:
    """Return a share from 0 to 1 in per cent, with no more digits than it has."""
    return f"{round(share * PPM) / 10_000:g} %"


def _text(name: str, document: Mapping[str, Any]) -> str | None:
    value = document.get(name)
    if value is None:
        return None
    if name == "share" and isinstance(value, int | float):
        return share_text(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
