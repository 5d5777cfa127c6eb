"""What the signature of a model's `run` says: the types of one input and one output, and what it asks for.

    def run(self, inputs: list[Question]) -> list[Answer]
    def run(self, inputs: list[dict], parameters: list[dict], context)

A hint that is a sequence of one type names the type of one job's input or output.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from models_registry.core.patterns import plain_ends
from models_registry.core.registry_errors import InvalidInputError, LoadFailedError

PARAMETERS, CONTEXT = "parameters", "context"


@dataclass(frozen=True, slots=True)
class RunHints:
    """The types of one input and one output, Any where there is no hint, and the extra arguments of `run`."""

    input: Any
    output: Any
    parameters: bool
    context: bool

    @classmethod
    def of(cls, run: Callable[..., Any]) -> RunHints:
        """Read the hints of a `run`, bound or not; LoadFailedError where one cannot be read."""
        try:
            names = list(signature(run).parameters)
            hints = get_type_hints(run, include_extras=True)
        except (TypeError, ValueError, NameError) as error:
            raise LoadFailedError(f"The type hints of `run` cannot be read: {error}") from error
        first = next((name for name in names if name != "self"), "")
        if not first:
            raise LoadFailedError("`run` takes no inputs: write `def run(self, inputs)`.")
        return cls(
            _element(hints.get(first)), _element(hints.get("return")), PARAMETERS in names, CONTEXT in names
        )

    def schemas(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the JSON Schemas of one input and one output; LoadFailedError for an input without one.

        An output may be an array of a framework, which has no schema: then anything is allowed.
        """
        try:
            return _schema(self.input), _schema(self.output, default={})
        except TypeError as error:
            raise LoadFailedError(
                f"The hint of `run`'s inputs is no type of JSON: {error}. Use a msgspec Struct, or dict."
            ) from None


def convert(value: Any, kind: Any) -> Any:
    """Return an input, decoded from JSON, as its hint asks for it; InvalidInputError."""
    if kind is Any:
        return value
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise InvalidInputError(f"The model does not take this input: {error}") from None


def _element(hint: Any) -> Any:
    """Return the T of `list[T]` or another sequence of one type; Any for every other hint."""
    origin, members = get_origin(hint), [kind for kind in get_args(hint) if kind is not ...]
    is_sequence = isinstance(origin, type) and issubclass(origin, Sequence)
    return members[0] if is_sequence and len(members) == 1 else Any


def _schema(kind: Any, default: dict[str, Any] | None = None) -> dict[str, Any]:
    try:
        schema: dict[str, Any] = plain_ends(msgspec.json.schema(kind))
    except TypeError:
        if default is None:
            raise
        return default
    return schema
