"""How an output is stored, and what of it a reader gets. Pure.

JSON is stored as canonical JSON. An output of bytes is stored as it came, behind a mark that no JSON begins
with and a line that describes it. So it describes itself wherever it is copied, sealed or moved to the
storage, and a model cannot forge a pointer. Everything that shows an output reads it here.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from enum import StrEnum
from itertools import accumulate
from operator import mul
from typing import Any, Final

import msgspec

from jobs.core.canonical_json import canonical_bytes, output_bytes
from jobs.core.errors import PayloadCorruptError
from models_registry.core.output import DTYPES, OCTETS, Output
from models_registry.core.registry_errors import BadOutputError, UnstorableOutputError

MARK: Final = b"\x00bytes\x00"
NPY: Final = "application/x-npy"
# Made to JSON on an event loop: 2 ms.
MOST_BYTES_AT_ONCE, MOST_LISTS_AT_ONCE = 16_384, 1_000
_ALIGNED = 64  # the numbers of a .npy file begin at a multiple of so many bytes


JSON_TIMES = 16  # while JSON is made of it, an array of floats takes so many times its bytes


class OutputForm(StrEnum):
    """The form in which a job's client wants an output of bytes."""

    JSON = "json"
    BASE64 = "base64"
    NPY = "npy"
    RAW = "raw"


class _Line(msgspec.Struct, frozen=True, array_like=True):
    media_type: str
    meta: dict[str, Any]


_LINE = msgspec.json.Decoder(_Line)


def stored_output(output: Any) -> bytes:
    """Return a model's output as it is stored; BadOutputError where it cannot be."""
    if not isinstance(output, Output):
        return output_bytes(output)
    try:
        output.check()
        line = msgspec.json.encode(_Line(output.media_type, dict(output.meta)))
        head = b"".join((MARK, line, b"\n"))
        _described(head)  # a Raw of msgspec in `meta` may hold anything, and nobody could read it again
        return head + output.body
    except BadOutputError:
        raise
    except BaseException as error:  # an object of the model may raise anything when it is read
        raise UnstorableOutputError(f"An output of bytes raises {type(error).__name__}.") from error


def is_bytes(plain: bytes) -> bool:
    """Return whether a stored output, or its beginning, is one of bytes."""
    return plain[: len(MARK)] == MARK


def is_slow_as_json(plain: bytes) -> bool:
    """Return whether making JSON of a stored output takes too long for an event loop."""
    if not is_bytes(plain):
        return False
    if len(plain) > MOST_BYTES_AT_ONCE:
        return True
    with suppress(ValueError, TypeError):  # who reads it says what is wrong
        return _lists(_described(plain).meta) > MOST_LISTS_AT_ONCE
    return False


def content_type(plain: bytes) -> str:
    """Return what the pointer of a large output says of it, because sealed bytes say nothing."""
    return OCTETS if is_bytes(plain) else "application/json"


def bytes_output(plain: bytes) -> Output:
    """Return the output of bytes that was stored; PayloadCorruptError where it cannot be read."""
    try:
        described = _described(plain)
        body = memoryview(plain)[plain.index(b"\n") + 1 :]
        output = Output(body, described.media_type, described.meta)
        output.check_form()
    except (ValueError, BadOutputError) as error:
        raise PayloadCorruptError(f"The stored output of bytes cannot be read: {error}") from None
    return output


def output_json(plain: bytes) -> bytes:
    """Return a stored output as canonical JSON; PayloadCorruptError."""
    return canonical_bytes(bytes_output(plain).shown()) if is_bytes(plain) else plain


def shown_output(plain: bytes, form: str | None) -> msgspec.Raw | ShownBytes:
    """Return a stored output for a view; PayloadCorruptError."""
    return ShownBytes(bytes_output(plain), form) if is_bytes(plain) else msgspec.Raw(plain)


class ShownBytes:
    """An output of bytes in a job's view: JSON is made of it only where the view is written as JSON.

    `form` is what the job asked for.
    """

    def __init__(self, output: Output, form: str | None) -> None:
        """Make nothing yet."""
        self.output, self.form = output, OutputForm(form or OutputForm.JSON)
        self._json: msgspec.Raw | None = None

    @property
    def is_large(self) -> bool:
        """Return whether making JSON of it takes too long for an event loop."""
        lists = _lists(self.output.meta)
        return len(self.output.body) > MOST_BYTES_AT_ONCE or lists > MOST_LISTS_AT_ONCE

    @property
    def json(self) -> msgspec.Raw:
        """Return what stands in a JSON document; made once, although several calls may wait for the job."""
        if self._json is None:
            self._json = msgspec.Raw(canonical_bytes(self._value()))
        return self._json

    def in_form(self, form: OutputForm) -> tuple[bytes, str] | None:
        """Return the output's bytes as they are or as a .npy file, and their media type; None for JSON.

        None too where the output has no such form.
        """
        if form is OutputForm.RAW:
            return bytes(self.output.body), self.output.media_type
        if form is OutputForm.NPY and self.output.is_array:
            return npy(self.output), NPY
        return None

    def _value(self) -> Any:
        if self.form is OutputForm.JSON:
            return self.output.shown()
        form = OutputForm.RAW if self.form is OutputForm.BASE64 else self.form
        return self.output.described(*(self.in_form(form) or (self.output.body, OCTETS)))


def npy(output: Output) -> bytes:
    """Return an array as a file that `numpy.load` reads: version 1.0 of the format."""
    meta = output.meta
    shape = "".join(f"{axis}, " for axis in meta["shape"])
    text = f"{{'descr': '{DTYPES[meta['dtype']].numpy}', 'fortran_order': False, 'shape': ({shape}), }}"
    padding = -(len(text) + 11) % _ALIGNED
    header = (text + " " * padding + "\n").encode()
    return b"".join((b"\x93NUMPY\x01\x00", len(header).to_bytes(2, "little"), header, output.body))


def _described(plain: bytes) -> _Line:
    return _LINE.decode(plain[len(MARK) : plain.index(b"\n")])


def _lists(meta: Mapping[str, Any]) -> int:
    """Return how many lists the JSON form of an array has; a list takes as long as many numbers."""
    return sum(accumulate(meta.get("shape", ())[:-1], mul, initial=1))


def _hook(value: Any) -> Any:
    if isinstance(value, ShownBytes):
        return value.json
    raise TypeError(f"{type(value).__name__} has no form in JSON")


_ENCODER = msgspec.json.Encoder(enc_hook=_hook)


def view_json(value: Any) -> bytes:
    """Return as JSON what may hold views of jobs, their outputs of bytes in the form that they asked for."""
    return _ENCODER.encode(value)
