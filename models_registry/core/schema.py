"""Validation of values by JSON Schemas."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Any

import jsonschema_rs

from models_registry.core import patterns
from models_registry.core.registry_errors import InvalidInputError
from models_registry.shared.json_depth import DEEPEST, is_deeper_than

SHOWN = 300


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
        validator.validate(value)
    except jsonschema_rs.ValidationError as error:
        raise (_invalid(error, what) if quoting else _unquoted(error, what, names)) from None
    except (ValueError, OverflowError) as error:
        reason = f": {error}" if quoting else "."
        raise InvalidInputError(f"The {what} cannot be checked{reason}", pointer="") from None


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
