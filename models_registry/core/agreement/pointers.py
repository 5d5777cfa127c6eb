"""JSON pointers into outputs (RFC 6901), and whether an output's schema knows a place. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from models_registry.core.agreement.option import Agreement
from models_registry.core.registry_errors import AgreementError

ABSENT: Final = object()


def part_at(value: Any, pointer: str) -> Any:
    """Return the part of a JSON value that a pointer names; ABSENT where there is none."""
    for step in steps_of(pointer):
        if isinstance(value, Mapping):
            value = value.get(step, ABSENT)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return ABSENT
    return value


def check_agreement(agreement: Agreement, output_schema: Mapping[str, Any]) -> None:
    """Raise AgreementError where the agreement lacks its function, or its pointer names no output."""
    if (agreement.by == "entry_point") != bool(agreement.entry_point):
        raise AgreementError("An agreement has an `entry_point` if, and only if, it is `by: entry_point`.")
    if not may_hold(output_schema, agreement.at):
        raise AgreementError(f"The output schema has nothing at {agreement.at!r}, which is to be compared.")


def steps_of(pointer: str) -> list[str]:
    """Return the names and positions that a pointer goes through, without its escapes."""
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def may_hold(schema: Any, pointer: str) -> bool:
    """Return whether outputs may have a part there; what a schema says otherwise than plainly allows it."""
    for step in steps_of(pointer):
        if not isinstance(schema, Mapping) or not schema:
            return True
        if schema.get("type") in _LEAVES:
            return False
        properties, items = schema.get("properties"), schema.get("items")
        if isinstance(properties, Mapping) and step in properties:
            schema = properties[step]
        elif isinstance(properties, Mapping) and not _allows_more(schema):
            return False
        else:
            schema = items if step.isdecimal() and isinstance(items, Mapping) else {}
    return True


def _allows_more(schema: Mapping[str, Any]) -> bool:
    """Return whether it may allow properties that it does not list."""
    return bool(schema.get("additionalProperties")) or bool(schema.keys() & _MORE)


_LEAVES: Final = ("string", "number", "integer", "boolean", "null")
_MORE: Final = {"patternProperties", "allOf", "anyOf", "oneOf", "$ref", "if", "items"}
