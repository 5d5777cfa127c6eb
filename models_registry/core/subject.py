"""The subject of an input: what its schema marks with `"x-subject": true`, by which its jobs can be erased.

The mark is followed as `x-pii` is, so the schema is translated into one whose only marks are subjects.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from models_registry.core.pii import MARK as PERSONAL
from models_registry.core.pii import has_marks
from models_registry.core.registry_errors import RegistrationError

MARK: Final = "x-subject"
_NONE: Mapping[str, Any] = {}


def subject_marks(schema: Any) -> Mapping[str, Any]:
    """Return a schema whose marked parts are the subjects; empty where nothing is marked."""
    if not has_subject(schema):
        return _NONE
    marks: Mapping[str, Any] = _translated(schema)
    return marks if has_marks(marks) else _NONE


def check_subject_marks(schema: Any) -> None:
    """Raise RegistrationError for a mark that is neither true nor false."""
    if isinstance(schema, dict):
        mark = schema.get(MARK, False)
        if not isinstance(mark, bool | dict):  # a property may be called so
            raise RegistrationError(f'"{MARK}" is {mark!r} in a schema; it must be true or false.')
    for part in _parts(schema):
        check_subject_marks(part)


def has_subject(schema: Any) -> bool:
    """Return whether anything in a schema is marked as a subject."""
    if isinstance(schema, dict) and schema.get(MARK) is True:
        return True
    return any(has_subject(part) for part in _parts(schema))


def _parts(schema: Any) -> list[Any]:
    if isinstance(schema, dict):
        return list(schema.values())
    return schema if isinstance(schema, list) else []


def _translated(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_translated(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    parts = {key: _translated(part) for key, part in schema.items() if not _is_mark(key, part)}
    return parts | ({PERSONAL: True} if schema.get(MARK) is True else {})


def _is_mark(key: str, part: Any) -> bool:
    return key in {MARK, PERSONAL} and not isinstance(part, dict)
