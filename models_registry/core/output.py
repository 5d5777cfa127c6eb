"""Outputs of bytes: an array as it lies in memory, an image, anything that JSON would only make larger.

    return [Output.of_array(row, field="embedding") for row in rows]
    return [Output(png, "image/png") for png in pictures]

The platform stores the bytes as they come, and makes JSON of them for those who ask for JSON.
"""

from __future__ import annotations

import re
import struct
from base64 import b64encode
from collections.abc import Mapping, Sequence
from math import prod
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Self

import msgspec

from models_registry.core.registry_errors import NotFiniteError, UnstorableOutputError
from models_registry.shared.finite import is_finite, not_finite_at

OCTETS: Final = "application/octet-stream"
MOST_META_BYTES, MOST_AXES, MOST_EMPTY = 4_096, 32, 65_536
NO_META: Mapping[str, Any] = MappingProxyType({})
# Only what needs no quoting in a header; parameters belong into `meta`.
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,62}/[a-z0-9][a-z0-9!#$&^_.+-]{0,62}\Z")


class DType(NamedTuple):
    """How numbers of a type lie in memory: the letter that `struct` has for it, and numpy's name."""

    code: str
    numpy: str

    @property
    def size(self) -> int:
        """Return the bytes of one number."""
        return struct.calcsize("<" + self.code)


DTYPES: Mapping[str, DType] = {
    "float16": DType("e", "<f2"),
    "float32": DType("f", "<f4"),
    "float64": DType("d", "<f8"),
    "int8": DType("b", "|i1"),
    "int16": DType("h", "<i2"),
    "int32": DType("i", "<i4"),
    "int64": DType("q", "<i8"),
    "uint8": DType("B", "|u1"),
    "uint16": DType("H", "<u2"),
    "uint32": DType("I", "<u4"),
    "uint64": DType("Q", "<u8"),
    "bool": DType("?", "|b1"),
}
# The exponent of NaN and infinity is all ones: what the highest byte of such a number looks like.
_SUSPECT = {
    "float16": bytes(high for high in range(256) if high & 0x7C == 0x7C),  # noqa: PLR2004
    "float32": b"\x7f\xff",
    "float64": b"\x7f\xff",
}
_FINITE_HIGH = {name: bytes(high for high in range(256) if high not in bad) for name, bad in _SUSPECT.items()}


class Output:
    """One item's output as bytes of a media type.

    With `dtype` (see DTYPES) and `shape`, `meta` says that the bytes are an array, C-contiguous and
    little-endian; with `field` too, that its JSON form is an object with the array under that name. What else
    is in `meta` is shown beside the bytes.
    """

    __slots__ = ("body", "media_type", "meta")

    def __init__(
        self,
        body: bytes | bytearray | memoryview[Any],
        media_type: str = OCTETS,
        meta: Mapping[str, Any] = NO_META,
    ) -> None:
        """Take the bytes as they are; the platform checks them before it stores them."""
        self.body, self.media_type, self.meta = body, media_type, meta

    def __repr__(self) -> str:
        """Show no content."""
        return f"Output({len(self.body)} bytes of {self.media_type})"

    @classmethod
    def of_array(cls, array: Any, *, field: str | None = None) -> Self:
        """Return an array of numpy or a tensor of torch as an output; bfloat16 becomes float32."""
        if callable(getattr(array, "detach", None)):
            host = array.detach().cpu()
            array = (host.float() if "bfloat16" in str(host.dtype) else host).numpy()
        if array.dtype.byteorder == ">":
            array = array.astype(array.dtype.newbyteorder("<"))
        meta = {"dtype": str(array.dtype), "shape": list(array.shape)} | ({"field": field} if field else {})
        return cls(array.tobytes(), OCTETS, meta)

    @property
    def is_array(self) -> bool:
        """Return whether the bytes are an array of numbers."""
        return "dtype" in self.meta

    def check(self) -> None:
        """Raise UnstorableOutputError where the output is not what it says, or NotFiniteError."""
        self.check_form()
        if self.is_array:
            self._check_finite()

    def check_form(self) -> None:
        """Raise UnstorableOutputError where the output is not what it says, whatever its numbers are."""
        if not isinstance(self.body, bytes | bytearray | memoryview):
            raise _wrong(f"its body is of type {type(self.body).__name__}, not bytes")
        if not memoryview(self.body).c_contiguous:
            raise _wrong("its body is a view with gaps")
        if not isinstance(self.media_type, str) or not _MEDIA_TYPE.match(self.media_type):
            raise _wrong(f"{str(self.media_type)[:80]!r} is no media type in lower case without parameters")
        _check_meta(self.meta)
        if self.is_array or "shape" in self.meta or "field" in self.meta:
            _check_array(memoryview(self.body).nbytes, self.meta)

    def value(self) -> Any:
        """Return the output as plain JSON: numbers in lists, or else an object with the bytes in base64.

        The errors of `check`.
        """
        self.check()
        return self.shown()

    def shown(self) -> Any:
        """Return what `value` does, of an output that was checked before."""
        return self._numbers() if self.is_array else self.described(self.body, self.media_type)

    def described(self, body: bytes | bytearray | memoryview[Any], media_type: str) -> dict[str, Any]:
        """Return a JSON object that holds `body`, one form of this output, in base64."""
        return {"media_type": media_type, "meta": dict(self.meta), "base64": b64encode(body).decode()}

    def _numbers(self) -> Any:
        dtype, shape = DTYPES[self.meta["dtype"]], tuple(self.meta["shape"])
        numbers = list(struct.unpack(f"<{prod(shape)}{dtype.code}", self.body))
        nested = _nested(numbers, shape)
        return {self.meta["field"]: nested} if "field" in self.meta else nested

    def _check_finite(self) -> None:
        """Look at the highest byte of each number, and at the numbers only where one of these is suspect."""
        name = self.meta["dtype"]
        if name not in _SUSPECT:
            return
        size = DTYPES[name].size
        body = self.body if isinstance(self.body, bytes) else memoryview(self.body).cast("B")
        if not bytes(body[size - 1 :: size]).translate(None, _FINITE_HIGH[name]):
            return
        value = self._numbers()
        if not is_finite(value):
            at = not_finite_at(value)
            raise NotFiniteError(f"The model's output holds NaN or infinity at {at!r}.", pointer=at)


def _check_meta(meta: Any) -> None:
    if not isinstance(meta, Mapping) or not all(isinstance(name, str) for name in meta):
        raise _wrong("its meta is no object with names")
    try:
        size = len(msgspec.json.encode(dict(meta)))
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise _wrong(f"its meta cannot be written as JSON: {error}") from None
    if size > MOST_META_BYTES:
        raise _wrong(f"its meta has {size} bytes; at most {MOST_META_BYTES}")


def _check_array(size: int, meta: Mapping[str, Any]) -> None:
    dtype, shape, field = meta.get("dtype"), meta.get("shape"), meta.get("field", "x")
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise _wrong(f"its dtype is {str(dtype)[:40]!r}, not one of {', '.join(DTYPES)}")
    if not isinstance(shape, list | tuple) or not all(type(axis) is int and axis >= 0 for axis in shape):
        raise _wrong("its shape is no list of whole numbers")
    if len(shape) > MOST_AXES or _empty_lists(shape) > MOST_EMPTY:
        raise _wrong(f"its shape has {len(shape)} axes, or too many of nothing")
    if not isinstance(field, str) or not field:
        raise _wrong("its field is no name")
    needed = prod(shape) * DTYPES[dtype].size
    if needed != size:
        raise _wrong(f"{dtype} of the shape {list(shape)} takes {needed} bytes, and its body has {size}")


def _empty_lists(shape: Sequence[int]) -> int:
    return prod(shape[: list(shape).index(0)]) if 0 in shape else 0


def _nested(numbers: list[Any], shape: tuple[int, ...]) -> Any:
    """Return numbers in lists of lists, as deep as the shape has axes."""
    if not shape:
        return numbers[0]
    if 0 in shape:
        return [_nested(numbers, shape[1:]) for _ in range(shape[0])]
    for axis in reversed(shape[1:]):
        numbers = [numbers[start : start + axis] for start in range(0, len(numbers), axis)]
    return numbers


def _wrong(why: str) -> UnstorableOutputError:
    return UnstorableOutputError(f"The model's output of bytes cannot be stored: {why}.", pointer="")
