"""Validation of values by JSON Schemas."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import Any, TypeAlias

import jsonschema_rs

from models_registry.core import patterns, unions
from models_registry.core.registry_errors import InvalidInputError
from models_registry.shared.json_depth import DEEPEST, is_deeper_than

SHOWN = 300
MOST_PARTS = 10_000
Places: TypeAlias = "Mapping[tuple[str | int, ...], bool]"
# Below these keywords a fault may be no fault of the whole, or depend on a value elsewhere.
_CONDITIONAL = frozenset({"if", "then", "else", "not", "anyOf", "oneOf", "contains", "dependentSchemas"})
# These look at an array or object without its parts.
_OF_THE_SHAPE = frozenset({
    "type", "required", "additionalProperties", "minItems", "maxItems", "minProperties", "maxProperties",
    "dependentRequired",
})  # fmt: skip


def check(
    schema: str, value: Any, what: str = "input", *, quoting: bool = True, names: Collection[str] = ()
) -> None:
    """Raise InvalidInputError, with the fault's JSON pointer, unless `schema`, a JSON text, allows `value`.

    Without `quoting` the error names the rule that was broken, and of the value only property `names`.
    """
    if is_deeper_than(value):
        raise InvalidInputError(f"The {what} nests deeper than {DEEPEST} levels.", pointer="")
    try:
        validator = _validator(schema)
    except ValueError:
        raise InvalidInputError(
            f"The {what} cannot be checked: this version's schema has a pattern with a backreference,"
            " lookaround or too many repetitions, which is refused now. A new version needs another pattern.",
            pointer="",
        ) from None
    try:
        if unions.is_costly(schema, value):
            _check_large(schema, validator, value, what)
        else:
            validator.validate(value)
    except jsonschema_rs.ValidationError as error:
        raise (_invalid(error, what) if quoting else _unquoted(error, what, names)) from None
    except (ValueError, OverflowError) as error:
        reason = f": {error}" if quoting else "."
        raise InvalidInputError(f"The {what} cannot be checked{reason}", pointer="") from None


def _check_large(schema: str, validator: jsonschema_rs.Validator, value: Any, what: str) -> None:
    """Raise the ValidationError of a fault outside of unions, else an InvalidInputError for the whole."""
    if validator.is_valid(value):
        return
    if rest := unions.outside(schema):
        rest.validate(value)
    raise InvalidInputError(
        f"The {what} fits no branch of an `anyOf` or `oneOf` of the schema; it is too large to say where.",
        pointer="",
    )


def check_outline(
    schema: str, value: Any, places: Places, *, quoting: bool = True, names: Collection[str] = ()
) -> None:
    """Raise InvalidInputError where `schema` refuses a value whatever stands at `places` instead.

    A place, which is true where it will be a string, holds an empty string or null now. A fault counts only
    if no other value at the places could mend it; `check` of the whole value finds the others.
    """
    if is_deeper_than(value):
        raise InvalidInputError(f"The input nests deeper than {DEEPEST} levels.", pointer="")
    try:
        validator = unions.outside(schema) if unions.is_costly(schema, value) else _validator(schema)
        if validator is None:
            return  # as below; and no fault of a union is one that counts
        faults = validator.iter_errors(value) if _is_small(value) else _first_fault(validator, value)
        for fault in faults:
            if _is_final(fault, places):
                raise _invalid(fault, "input") if quoting else _unquoted(fault, "input", names)
    except (ValueError, OverflowError):
        return  # the check of the whole value says what is wrong


def _is_small(value: Any) -> bool:
    """Return whether a value has so few parts that all its faults may be listed."""
    pending, parts = [value], 0
    while pending and parts <= MOST_PARTS:
        part = pending.pop()
        parts += 1
        if isinstance(part, dict | list):
            parts += len(part)
            pending += part.values() if isinstance(part, dict) else part
    return parts <= MOST_PARTS


def _first_fault(validator: jsonschema_rs.Validator, value: Any) -> list[jsonschema_rs.ValidationError]:
    try:
        validator.validate(value)
    except jsonschema_rs.ValidationError as fault:
        return [fault]
    return []


def _is_final(fault: jsonschema_rs.ValidationError, places: Places) -> bool:
    path, rule = tuple(fault.instance_path), [str(step) for step in fault.schema_path]
    if not _CONDITIONAL.isdisjoint(rule):
        return False
    keyword = rule[-1] if rule else ""
    if path in places:
        return places[path] and keyword == "type"
    around = any(place[: len(path)] == path for place in places)
    return not around or keyword in _OF_THE_SHAPE


def prepare(schema: str) -> None:
    """Compile `schema` now, so that its first check does not take that long; ValueError."""
    _validator(schema)


@lru_cache(maxsize=1_000)
def _validator(schema: str) -> jsonschema_rs.Validator:
    return patterns.validator(schema)


def _invalid(error: jsonschema_rs.ValidationError, what: str) -> InvalidInputError:
    pointer = _pointer(error.instance_path)
    message = error.message if len(error.message) <= SHOWN else f"…{error.message[-SHOWN:]}"
    return InvalidInputError(f"{pointer or f'The {what}'}: {message}", pointer=pointer)


def _unquoted(error: jsonschema_rs.ValidationError, what: str, names: Collection[str]) -> InvalidInputError:
    shown = (step if isinstance(step, int) or step in names else "…" for step in error.instance_path)
    pointer = _pointer(shown)
    rule = _pointer(error.schema_path)
    return InvalidInputError(f"{pointer or f'The {what}'} breaks the schema's rule {rule}.", pointer=pointer)


def _pointer(steps: Iterable[object]) -> str:
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)
