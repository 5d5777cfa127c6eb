"""Arrays in jobs: nested lists, or the bytes of an array with its dtype and shape.

    [[1, 2], [3, 4]]
    {"dtype": "float32", "shape": [2, 2], "base64": "AACAPwAAAEAAAEBAAACAQA=="}

In the second form the bytes may come by upload: `"base64": {"$upload": ID}`.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence
from math import prod
from typing import Any, Final

import numpy as np

from models_registry.core.output import DTYPES
from models_registry.core.registry_errors import InvalidInputError

TEXT: Final = np.dtype(object)
Shape = tuple[int | None, ...]  # None: free


def shape_of(value: Any) -> tuple[int, ...]:
    """Return the shape that a value seems to have, by the first element of each axis; it never raises."""
    if isinstance(value, dict):
        shape = value.get("shape")
        return tuple(axis for axis in shape if isinstance(axis, int)) if isinstance(shape, list) else ()
    axes = []
    while isinstance(value, list):
        axes.append(len(value))
        value = value[0] if value else None
    return tuple(axes)


def array_of(value: Any, dtype: np.dtype[Any], shape: Shape, name: str) -> np.ndarray[Any, Any]:
    """Return a job's value as an array of the type and shape; InvalidInputError that names the input."""
    array = _of_bytes(value, name) if isinstance(value, dict) else _of_lists(value, dtype, name)
    fits = array.ndim == len(shape)
    fits = fits and all(want in (None, axis) for axis, want in zip(array.shape, shape, strict=True))
    if not fits:
        raise InvalidInputError(
            f"{name} has the shape {list(array.shape)}; the model takes {shape_text(shape)}."
        )
    return _texts(array, name) if dtype == TEXT else _numbers(array, dtype, name)


def array_schema(dtype: np.dtype[Any], shape: Shape) -> dict[str, Any]:
    """Return a JSON Schema of both forms, without a union: their rules apply to lists and objects alone."""
    kind = {"O": "string", "b": "boolean", "i": "integer", "u": "integer"}.get(dtype.kind, "number")
    schema: dict[str, Any] = {"type": kind}
    for axis in reversed(shape):
        sizes = {} if axis is None else {"minItems": axis, "maxItems": axis}
        schema = {"type": "array", "items": schema, **sizes}
    if dtype == TEXT:
        return schema
    properties = {
        "dtype": {"enum": sorted(DTYPES)},
        "shape": {"type": "array", "minItems": len(shape), "maxItems": len(shape)},
        "base64": {"type": "string"},
    }
    return {
        **schema,
        "type": [schema["type"], "object"],
        "properties": properties,
        "required": ["dtype", "shape", "base64"],
    }


def shape_text(shape: Sequence[int | None]) -> str:
    """Return a shape for people, with a question mark for each free axis."""
    return "[" + ", ".join("?" if axis is None else str(axis) for axis in shape) + "]"


def _of_lists(value: Any, dtype: np.dtype[Any], name: str) -> np.ndarray[Any, Any]:
    try:
        return np.asarray(value, TEXT if dtype == TEXT else None)
    except (ValueError, TypeError, OverflowError):
        raise InvalidInputError(f"{name} is no array: its lists differ in length.") from None


def _of_bytes(value: dict[str, Any], name: str) -> np.ndarray[Any, Any]:
    try:
        dtype, shape = DTYPES[value["dtype"]], value["shape"]
        body = value["base64"]
        body = b64decode(body, validate=True) if isinstance(body, str) else body.body
        if not all(type(axis) is int and axis >= 0 for axis in shape):
            raise ValueError  # noqa: TRY301  # one message for all that is wrong
        return np.frombuffer(body, dtype.numpy, prod(shape)).reshape(shape)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise InvalidInputError(
            f'{name} is no array of bytes: {{"dtype": "float32", "shape": [2], "base64": "…"}} is expected,'
            " with as many bytes as the shape needs."
        ) from None


def _texts(array: np.ndarray[Any, Any], name: str) -> np.ndarray[Any, Any]:
    for text in array.flat:
        if not isinstance(text, str) or any("\ud800" <= letter <= "\udfff" for letter in text):
            raise InvalidInputError(f"{name} holds something that is no text.")
    return array


def _numbers(array: np.ndarray[Any, Any], dtype: np.dtype[Any], name: str) -> np.ndarray[Any, Any]:
    if array.dtype.kind not in "biuf":
        raise InvalidInputError(f"{name} holds something that is no number.")
    with np.errstate(all="ignore"):
        cast = array.astype(dtype)
    same = np.isfinite(cast) | ~np.isfinite(array) if dtype.kind == "f" else cast == array
    if not np.all(same):
        raise InvalidInputError(f"{name} holds a number that {dtype} cannot hold.")
    return cast
