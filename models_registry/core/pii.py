"""Personal data: the parts of a value that a JSON Schema marks with `"x-pii": true`, and their replacement.

If in doubt, a part counts as marked: every branch of a choice counts as one that applies, and a reference
that cannot be followed counts as a marked schema. A value need not be valid by its schema.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from models_registry.core.patterns import linear
from models_registry.core.registry_errors import RegistrationError

MARK: Final = "x-pii"
_MARKED: Final[Mapping[str, Any]] = {MARK: True}
# Keywords whose schemas apply to the value itself, to each property, to each item, or to items by position.
_SAME = ("if", "then", "else", "not")
_SAME_LISTS = ("allOf", "anyOf", "oneOf")
_SAME_MAPS = ("dependentSchemas", "dependencies")
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_EACH_PROPERTY = ("additionalProperties", "unevaluatedProperties")
_EACH_ITEM = ("items", "additionalItems", "unevaluatedItems", "contains")
_ITEM_LISTS = ("prefixItems", "items")
Schema = Mapping[str, Any]


def has_marks(schema: Any) -> bool:
    """Return whether anything in a schema is or may be marked; a property called `x-pii` is no mark."""
    return any(mark is not False and not isinstance(mark, dict) for mark in _marks(schema))


def check_marks(schema: Any) -> None:
    """Raise RegistrationError for a mark that is neither true nor false."""
    for mark in _marks(schema):
        if not isinstance(mark, bool | dict):
            raise RegistrationError(f'"{MARK}" is {mark!r} in a schema; it must be true or false.')


def replaced(schema: Schema, value: Any, replace: Callable[[Any], Any]) -> Any:
    """Return `value` with each outermost marked part replaced by `replace(part)`."""
    return _walked(schema, [schema], value, replace)


def marked(schema: Schema, value: Any) -> list[Any]:
    """Return the marked parts of `value`."""
    parts: list[Any] = []
    replaced(schema, value, parts.append)
    return parts


def property_names(schema: Any) -> frozenset[str]:
    """Return the property names that a schema declares; such a name reveals nothing of a value."""
    return frozenset(_property_names(schema))


def _marks(schema: Any) -> Iterator[Any]:
    if isinstance(schema, dict):
        if MARK in schema:
            yield schema[MARK]
        for part in schema.values():
            yield from _marks(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _marks(part)


def _property_names(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        properties = schema.get("properties")
        yield from properties if isinstance(properties, dict) else ()
        for part in schema.values():
            yield from _property_names(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _property_names(part)


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
    # A token cannot replace a property's name, so an object with personal names is replaced as a whole.
    return schema.get(MARK, False) is not False or has_marks(schema.get("propertyNames"))


def _applying(root: Schema, schemas: list[Any]) -> list[Schema]:
    """Return the schemas that apply to one value: the given ones, and all that they refer to."""
    pending, applying, seen = list(schemas), list[Schema](), set[int]()
    while pending:
        schema = pending.pop()
        if isinstance(schema, dict) and id(schema) not in seen:
            seen.add(id(schema))
            applying.append(schema)
            pending += _same_value(root, schema)
    return applying


def _same_value(root: Schema, schema: Schema) -> Iterator[Any]:
    yield from (schema[name] for name in _SAME if name in schema)
    for name in _SAME_LISTS:
        yield from schema.get(name, ())
    for name in _SAME_MAPS:
        yield from schema.get(name, {}).values()
    yield from (_referred(root, schema[name]) for name in _REFERENCES if name in schema)


def _referred(root: Schema, reference: Any) -> Any:
    """Return the target of a JSON pointer within the schema; a marked schema for any other reference."""
    if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
        return _MARKED
    target: Any = root
    for step in reference[2:].split("/") if reference != "#" else ():
        name = _unescaped(step)
        if isinstance(target, list) and name.isdecimal() and int(name) < len(target):
            target = target[int(name)]
        elif isinstance(target, dict) and name in target:
            target = target[name]
        else:
            return _MARKED
    return target


def _unescaped(step: str) -> str:
    from_percent = re.sub(r"(?:%[0-9A-Fa-f]{2})+", _decoded, step)
    return from_percent.replace("~1", "/").replace("~0", "~")


def _decoded(escapes: re.Match[str]) -> str:
    return bytes.fromhex(escapes[0].replace("%", "")).decode("utf-8", "replace")


def _of_property(schemas: list[Schema], key: str) -> list[Any]:
    parts: list[Any] = []
    for schema in schemas:
        properties = schema.get("properties", {})
        parts += [properties[key]] if key in properties else []
        parts += [part for text, part in schema.get("patternProperties", {}).items() if _fits(text, key)]
        if key not in properties:  # other dialects may match patterns differently, so both count
            parts += [schema[name] for name in _EACH_PROPERTY if name in schema]
    return parts


def _of_item(schemas: list[Schema], at: int) -> list[Any]:
    parts: list[Any] = []
    for schema in schemas:
        parts += [schema[name] for name in _EACH_ITEM if isinstance(schema.get(name), dict)]
        lists = (schema[name] for name in _ITEM_LISTS if isinstance(schema.get(name), list))
        parts += [by_position[at] for by_position in lists if at < len(by_position)]
    return parts


def _fits(pattern: str, key: str) -> bool:
    expression = linear(pattern)  # None in a version of an older release: then it may match anything
    try:
        return expression is None or expression.search(key) is not None
    except UnicodeError:  # half of a surrogate pair
        return True
