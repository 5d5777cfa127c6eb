"""JSON Schemas: whether a value keeps one, and where it does not."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import jsonschema_rs

from models_registry.core.depth import DEEPEST, is_deeper_than
from models_registry.core.errors import InvalidInputError

SHOWN = 300


def check(schema: str, value: Any, what: str = "input") -> None:
    """Raise InvalidInputError, with the JSON pointer of the fault, unless the schema, a text, allows it."""
    if is_deeper_than(value):
        raise InvalidInputError(f"The {what} nests deeper than {DEEPEST} levels.", pointer="")
    try:
        _validator(schema).validate(value)
    except jsonschema_rs.ValidationError as error:
        raise _invalid(error, what) from None
    except (ValueError, OverflowError) as error:
        raise InvalidInputError(f"The {what} cannot be checked: {error}", pointer="") from None


@lru_cache(maxsize=1_000)
def _validator(schema: str) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(schema, offline=True)


def _invalid(error: jsonschema_rs.ValidationError, what: str) -> InvalidInputError:
    steps = (str(step).replace("~", "~0").replace("/", "~1") for step in error.instance_path)
    pointer = "".join(f"/{step}" for step in steps)
    message = error.message if len(error.message) <= SHOWN else f"…{error.message[-SHOWN:]}"
    return InvalidInputError(f"{pointer or f'The {what}'}: {message}", pointer=pointer)
