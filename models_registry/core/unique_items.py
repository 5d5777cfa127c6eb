"""The keyword `uniqueItems` in time that is linear in the array, whatever numbers a client sends.

The validator's own hashes integers above 2**53 as doubles, so thousands of them fall together and are
compared in pairs: 10,000 of them took 5 s. Here equal items have equal texts, which Python hashes under a
secret.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any


class UniqueItems:
    """One use of the keyword in a schema, in the form that jsonschema_rs asks for."""

    def __init__(self, schema: Mapping[str, Any], value: Any, path: Sequence[str | int]) -> None:  # noqa: ARG002
        """Take the keyword's value."""
        self._asked = value is True

    def validate(self, instance: Any) -> None:
        """Raise ValueError for an array that holds two equal items."""
        if not (self._asked and isinstance(instance, list)):
            return
        seen = set[str]()
        for at, item in enumerate(instance):
            text = _text(item)
            if text in seen:
                raise ValueError(f"the item at {at} is equal to one before it")
            seen.add(text)


def _text(value: Any) -> str:
    """Return a text that values share if, and only if, they are equal by JSON Schema: 1 is 1.0, not true."""
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, bool) or value is None:
        return repr(value)
    if isinstance(value, int | float):
        return hex(int(value)) if value == int(value) else repr(value)
    if isinstance(value, dict):
        return f"{{{','.join(f'{json.dumps(key)}:{_text(value[key])}' for key in sorted(value))}}}"
    return f"[{','.join(map(_text, value))}]"
