"""Personal data: what of a value a JSON Schema marks with `"x-pii": true`, and the value without it. Pure.

In doubt a part counts as marked: every branch of a choice is taken for one that applies, and a reference that
cannot be followed for a marked one. The schema says what is marked, whether the value keeps it or not.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from models_registry.core.registry_errors import RegistrationError

MARK: Final = "x-pii"
_MARKED: Final[Mapping[str, Any]] = {MARK: True}
# Of the value itself, of each property or item, and by a property's name.
_SAME = ("if", "then", "else", "not")
_SAME_LISTS = ("allOf", "anyOf", "oneOf")
_SAME_MAPS = ("dependentSchemas", "dependencies")
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_EACH_PROPERTY = ("additionalProperties", "unevaluatedProperties")
_EACH_ITEM = ("items", "additionalItems", "unevaluatedItems", "contains")
_ITEM_LISTS = ("prefixItems", "items")
Schema = Mapping[str, Any]


def has_marks(schema: Any) -> bool:
    """Say whether anything in a schema is, or may be, marked; a property of that name is no mark."""
    return any(said is not False and not isinstance(said, dict) for said in _said(schema))


def check_marks(schema: Any) -> None:
    """Refuse a mark that is neither true nor false: RegistrationError."""
    for said in _said(schema):
        if not isinstance(said, bool | dict):
            raise RegistrationError(f'"{MARK}" is {said!r} in a schema; it is true or false.')


def replaced(schema: Schema, value: Any, replace: Callable[[Any], Any]) -> Any:
    """Return `value` with each marked part, as a whole, replaced by what `replace` makes of it."""
    return _walked(schema, [schema], value, replace)


def marked(schema: Schema, value: Any) -> list[Any]:
    """Return the marked parts of `value`."""
    found: list[Any] = []
    replaced(schema, value, found.append)
    return found


def declared(schema: Any) -> frozenset[str]:
    """Return the names that a schema itself gives to properties: to tell one tells nothing of a value."""
    return frozenset(_declared(schema))


def _said(schema: Any) -> Iterator[Any]:
    if isinstance(schema, dict):
        if MARK in schema:
            yield schema[MARK]
        for part in schema.values():
            yield from _said(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _said(part)


def _declared(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        properties = schema.get("properties")
        yield from properties if isinstance(properties, dict) else ()
        for part in schema.values():
            yield from _declared(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _declared(part)


def _walked(root: Schema, schemas: list[Any], value: Any, replace: Callable[[Any], Any]) -> Any:
    here = _applying(root, schemas)
    if any(_is_marked(schema) for schema in here):
        return replace(value)
    if not here:
        return value
    if isinstance(value, dict):
        return {key: _walked(root, _of_property(here, key), part, replace) for key, part in value.items()}
    if isinstance(value, list):
        return [_walked(root, _of_item(here, at), part, replace) for at, part in enumerate(value)]
    return value


def _is_marked(schema: Schema) -> bool:
    # A name that is itself personal has no other place for a token than that of the whole object.
    return schema.get(MARK, False) is not False or has_marks(schema.get("propertyNames"))


def _applying(root: Schema, schemas: list[Any]) -> list[Schema]:
    """Return the schemas that say something of one value, with all that they refer to."""
    left, found, seen = list(schemas), list[Schema](), set[int]()
    while left:
        schema = left.pop()
        if isinstance(schema, dict) and id(schema) not in seen:
            seen.add(id(schema))
            found.append(schema)
            left += _same_value(root, schema)
    return found


def _same_value(root: Schema, schema: Schema) -> Iterator[Any]:
    yield from (schema[name] for name in _SAME if name in schema)
    for name in _SAME_LISTS:
        yield from schema.get(name, ())
    for name in _SAME_MAPS:
        yield from schema.get(name, {}).values()
    yield from (_referred(root, schema[name]) for name in _REFERENCES if name in schema)


def _referred(root: Schema, reference: Any) -> Any:
    """Return what a JSON pointer within the schema leads to; a marked schema for any other reference."""
    if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
        return _MARKED
    found: Any = root
    for step in reference[2:].split("/") if reference != "#" else ():
        name = _unescaped(step)
        if isinstance(found, list) and name.isdecimal() and int(name) < len(found):
            found = found[int(name)]
        elif isinstance(found, dict) and name in found:
            found = found[name]
        else:
            return _MARKED
    return found


def _unescaped(step: str) -> str:
    from_percent = re.sub(r"(?:%[0-9A-Fa-f]{2})+", _decoded, step)
    return from_percent.replace("~1", "/").replace("~0", "~")


def _decoded(found: re.Match[str]) -> str:
    return bytes.fromhex(found[0].replace("%", "")).decode("utf-8", "replace")


def _of_property(schemas: list[Schema], key: str) -> list[Any]:
    found: list[Any] = []
    for schema in schemas:
        properties = schema.get("properties", {})
        found += [properties[key]] if key in properties else []
        found += [part for text, part in schema.get("patternProperties", {}).items() if _fits(text, key)]
        if key not in properties:  # a pattern that fits here may not fit there: both count
            found += [schema[name] for name in _EACH_PROPERTY if name in schema]
    return found


def _of_item(schemas: list[Schema], at: int) -> list[Any]:
    found: list[Any] = []
    for schema in schemas:
        found += [schema[name] for name in _EACH_ITEM if isinstance(schema.get(name), dict)]
        lists = (schema[name] for name in _ITEM_LISTS if isinstance(schema.get(name), list))
        found += [parts[at] for parts in lists if at < len(parts)]
    return found


def _fits(pattern: str, key: str) -> bool:
    expression = _compiled(pattern)
    return expression is None or expression.search(key) is not None


@lru_cache(maxsize=1_000)
def _compiled(pattern: str) -> re.Pattern[str] | None:
    """Return the pattern; None for one that another dialect understands, and that may fit anything."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return re.compile(pattern)
    except (re.error, Warning, RecursionError, OverflowError):
        return None
