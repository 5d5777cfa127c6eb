"""Outputs as models make them, turned into plain JSON values: arrays, tensors, dates, numbers as keys.

A framework's objects are known by their methods, so none is imported here. What JSON cannot carry is refused,
with its place in the output as a JSON pointer.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from math import isfinite
from typing import Any
from uuid import UUID

import msgspec

from models_registry.core.output import Output
from models_registry.core.registry_errors import BadOutputError, NotFiniteError, UnstorableOutputError
from models_registry.shared.finite import step_of
from models_registry.shared.json_depth import DEEPEST

_NATIVE = (datetime, date, time, timedelta, UUID, Decimal)  # msgspec writes them as strings
_BYTES = (bytes, bytearray, memoryview)
_FIELDS = ("__dataclass_fields__", "__struct_fields__", "__attrs_attrs__")
_SHORT_BITS = 1_024  # an integer of no more is written in any case
_SMALL_FLOATS = ("bfloat", "float8", "float6", "float4")  # dtypes that numpy itself does not have


def plain(value: Any) -> Any:
    """Return `value` in dicts with string keys, lists, strings, finite numbers, booleans and None.

    UnstorableOutputError or NotFiniteError names the first place that JSON cannot carry.
    """
    return _plain(value, "", 0)


def simpler(value: Any) -> Any:
    """Return an object of a library as a value nearer to JSON, its parts unchanged; TypeError if it has none.

    Made for msgspec's `enc_hook`, which calls it for each object that msgspec does not know.
    """
    for is_kind, convert in _KINDS:
        if is_kind(value):
            result = convert(value)
            if type(result) is type(value):
                break
            return result
    raise TypeError(f"{_name(value)} has no form in JSON")


def _plain(value: Any, at: str, depth: int) -> Any:
    if value is None or type(value) in (bool, int):
        return _whole(value, at)
    if type(value) is float:
        return _finite(value, at)
    if type(value) is str:
        return _text(value, at)
    if depth > DEEPEST:
        raise _unstorable(at, f"it nests deeper than {DEEPEST} levels")
    try:
        parts = _parts(value)
    except BadOutputError:
        raise
    except BaseException as error:  # an object of the model may raise anything when it is read
        raise _unstorable(at, str(error) or type(error).__name__) from error
    if isinstance(parts, dict):
        return _object(parts, at, depth)
    if isinstance(parts, list):
        return [_plain(part, f"{at}/{position}", depth + 1) for position, part in enumerate(parts)]
    return _plain(parts, at, depth + 1)


def _parts(value: Any) -> Any:
    """Return a dict, a list or a simpler value; TypeError if there is none."""
    for is_kind, convert in _CONTAINERS:
        if is_kind(value):
            return convert(value)
    return simpler(value)


def _object(parts: Mapping[Any, Any], at: str, depth: int) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, part in parts.items():
        name = _key(key, at)
        if name in result:
            raise _unstorable(at, f"two of its keys are {name[:100]!r} in JSON")
        result[name] = _plain(part, f"{at}/{step_of(name)}", depth + 1)
    return result


def _key(key: Any, at: str) -> str:
    if isinstance(key, bool) or key is None:
        return msgspec.json.encode(key).decode()  # as Python's json has it
    value = _plain(key, at, DEEPEST) if isinstance(key, (str, int, float)) else _scalar(key, at)
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _scalar(key: Any, at: str) -> Any:
    value = None if isinstance(key, (*_BYTES, tuple, AbstractSet)) else _plain(key, at, DEEPEST)
    if value is None or isinstance(value, (list, dict)):
        raise _unstorable(at, f"one of its keys is {_name(key)}")
    return value


def _finite(value: float, at: str) -> float:
    if not isfinite(value):
        raise NotFiniteError(f"The model's output holds NaN or infinity at {at!r}.", pointer=at)
    return value


def _whole(value: int | None, at: str) -> int | None:
    if value is not None and value.bit_length() > _SHORT_BITS:
        try:
            str(value)
        except ValueError:  # Python writes no longer ones
            raise _unstorable(at, f"an integer has {value.bit_length():,} bits, too many to write") from None
    return value


def _text(value: str, at: str) -> str:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise _unstorable(at, "a string holds a lone surrogate, which UTF-8 cannot carry") from None
    return value


def _unstorable(at: str, reason: str) -> UnstorableOutputError:
    return UnstorableOutputError(f"The model's output cannot be stored: at {at!r}, {reason}.", pointer=at)


def _name(value: Any) -> str:
    kind = value if isinstance(value, type) else type(value)
    article = "the class" if isinstance(value, type) else "an object of type"
    return f"{article} {kind.__module__}.{kind.__qualname__}".replace("builtins.", "")


def _has(name: str) -> Callable[[Any], bool]:
    return lambda value: not isinstance(value, type) and callable(getattr(value, name, None))


def _array(value: Any) -> Any:
    """Return a tensor, an array or a scalar of a library as lists and numbers."""
    if callable(getattr(value, "detach", None)):
        value = _on_host(value)
    dtype = getattr(value, "dtype", None)
    kind, name = getattr(dtype, "kind", ""), str(dtype)
    if kind == "M":
        value = value.astype("datetime64[us]")  # else nanoseconds become bare integers
    elif kind == "m":
        value = value.astype("timedelta64[us]")
    elif kind and name.startswith(_SMALL_FLOATS):
        value = value.astype("float32")
    elif kind == "f" and getattr(dtype, "itemsize", 0) > 8:  # noqa: PLR2004  # bytes of Python's float
        value = value.astype("float64")
    return value.tolist()


def _on_host(tensor: Any) -> Any:
    """Return a tensor of torch as a dense one in host memory, of a type that Python has."""
    tensor = tensor.detach()
    if getattr(tensor, "is_quantized", False):
        tensor = tensor.dequantize()
    if "strided" not in str(getattr(tensor, "layout", "strided")):
        tensor = tensor.to_dense()
    # numpy has no bfloat16: where the values go through it, they must be float32.
    return tensor.cpu().float() if "bfloat16" in str(tensor.dtype) else tensor.cpu()


def _moment(value: Any) -> str:
    return str(value.isoformat())


def _fields(value: Any) -> dict[str, Any]:
    """Return the fields of a dataclass, a Struct of msgspec or a class of attrs."""
    kind = type(value)
    names = [field.name for field in fields(value)] if is_dataclass(value) else ()
    names = names or getattr(kind, "__struct_fields__", ())
    names = names or [attribute.name for attribute in getattr(kind, "__attrs_attrs__", ())]
    return {name: getattr(value, name) for name in names}


def _has_fields(value: Any) -> bool:
    return any(hasattr(type(value), name) for name in _FIELDS)


def _sorted(value: Iterable[Any]) -> list[Any]:
    """Return the members of a set in an order that equal sets share."""
    return sorted(value, key=lambda member: msgspec.json.encode(member, enc_hook=simpler))


Kinds = Iterable[tuple[Callable[[Any], bool], Callable[[Any], Any]]]
# What msgspec itself knows; here so that each of their parts has its place.
_CONTAINERS: Kinds = (
    (lambda value: isinstance(value, dict), lambda value: dict(value.items())),
    (lambda value: isinstance(value, (list, tuple)), list),
    (lambda value: isinstance(value, AbstractSet), _sorted),
    (lambda value: isinstance(value, Decimal) and not value.is_finite(), float),
    (lambda value: isinstance(value, Enum), lambda value: value.value),
    (lambda value: isinstance(value, _BYTES), lambda value: b64encode(value).decode()),
    (lambda value: type(value) in _NATIVE, msgspec.to_builtins),
    (_has_fields, _fields),
)
_KINDS: Kinds = (
    (lambda value: isinstance(value, Output), lambda value: value.value()),
    (_has("tolist"), _array),
    (lambda value: isinstance(value, (datetime, date, time)), _moment),
    (lambda value: isinstance(value, _BYTES), bytes),
    (lambda value: isinstance(value, str), str.__str__),
    (lambda value: isinstance(value, int), int.__int__),
    (lambda value: isinstance(value, float), float.__float__),
    (_has("numpy"), lambda value: value.numpy()),
    (_has("model_dump"), lambda value: value.model_dump()),
    (lambda value: isinstance(value, Mapping), lambda value: dict(value.items())),
    (lambda value: isinstance(value, (Sequence, AbstractSet)), list),
)
