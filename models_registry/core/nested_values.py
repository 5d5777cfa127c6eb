"""Deeply nested values of the shapes that a schema describes: what it takes long to check, clients can send.

A schema that refers to itself in two places checks a value of depth n in 2**n steps. No bound by reading the
schema is exact, because most such schemas end at the first rule that fails, so the validator is timed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from itertools import islice, product
from typing import Any

from models_registry.core import schema
from models_registry.core.pii import property_names
from models_registry.core.registry_errors import InvalidInputError

DEPTH = 40  # less than a client may send, and 2**40 steps never end
MOST_NAMES = 40
MOST_PAIRS = 200
LEAVES: tuple[Any, ...] = ("leaf", 1, {})
_REFERENCES = ('"$ref"', '"$dynamicRef"', '"$recursiveRef"')


def may_recur(schema_text: str) -> bool:
    """Return whether a schema, as JSON, may refer to itself."""
    return any(reference in schema_text for reference in _REFERENCES)


def nested_values(described: Any) -> Iterator[Any]:
    """Yield plain values, and chains of arrays and objects: with each property, and with each two in turn."""
    names = sorted(property_names(described))[:MOST_NAMES]
    yield from (*LEAVES, None, True, [])
    for leaf in LEAVES:
        yield _chain([_listed], leaf)
    for name in names:
        yield _chain([_in(name)])
        yield _chain([_listed, _in(name)])
    for first, second in islice(product(names, names), MOST_PAIRS):
        if first != second:
            yield _chain([_in(first), _in(second)])


def _chain(steps: list[Any], leaf: Any = LEAVES[0]) -> Any:
    value = leaf
    for at in range(DEPTH):
        value = steps[at % len(steps)](value)
    return value


def _listed(value: Any) -> Any:
    return [value]


def _in(name: str) -> Any:
    return lambda value: {name: value}


def check_all(text: str) -> None:
    """Check each nested value with a schema, given as JSON."""
    for value in nested_values(json.loads(text)):
        try:
            schema.check(text, value)
        except InvalidInputError:
            continue


if __name__ == "__main__":
    check_all(sys.stdin.read())
