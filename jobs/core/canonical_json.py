"""Canonical JSON, in which the platform stores and hashes values: equal values are equal bytes.

Keys are sorted by code point, there is no white space, strings are UTF-8 and integers keep every digit.
Numbers with a fraction or an exponent are IEEE doubles in their shortest form. Of equal keys the last wins.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import msgspec

from jobs.core.errors import MalformedRequestError
from models_registry.core.plain_output import plain, simpler
from models_registry.shared.finite import is_finite, not_finite_at

MAX_DEPTH = 100
_ENCODER = msgspec.json.Encoder(order="deterministic")
_OUTPUT_ENCODER = msgspec.json.Encoder(order="deterministic", enc_hook=simpler)


def canonical_bytes(value: Any) -> bytes:
    """Return `value` as canonical JSON; MalformedRequestError where JSON cannot carry it."""
    try:
        body = _ENCODER.encode(value)
    except UnicodeEncodeError:
        raise MalformedRequestError("a string holds a lone surrogate, which UTF-8 cannot carry") from None
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise MalformedRequestError(f"the value cannot be written as JSON: {error}") from None
    # The encoder writes null for NaN, in sets and dataclasses too.
    if b"null" in body and not is_finite(plain := msgspec.to_builtins(value)):
        raise MalformedRequestError(f"JSON has no number for the NaN or Infinity at {not_finite_at(plain)!r}")
    return body


def output_bytes(output: Any) -> bytes:
    """Return a model's output as canonical JSON, arrays and dates and the like in their plain forms.

    UnstorableOutputError or NotFiniteError names the place that JSON cannot carry.
    """
    try:
        body = _OUTPUT_ENCODER.encode(output)
        # The encoder writes null for NaN, and Decimals as strings; a look for one byte costs little.
        odd = (b"N" in body or b"I" in body) and (b'NaN"' in body or b'Infinity"' in body)
        null = b"l" in body and b"null" in body
        if not odd and (not null or is_finite(msgspec.to_builtins(output, enc_hook=simpler))):
            return body
    except BaseException:  # noqa: BLE001, S110  # numbers as keys, and whatever an object of the model raises
        pass
    return _ENCODER.encode(plain(output))


def digest(body: bytes) -> bytes:
    """Return the SHA-256 of canonical bytes, 32 bytes."""
    return sha256(body).digest()


def check_depth(raw: bytes, value: Any) -> None:
    """Raise MalformedRequestError if `value`, decoded from `raw`, nests deeper than MAX_DEPTH."""
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return
    level, depth = [value], 0
    while level:
        level = [child for item in level for child in _children(item)]
        depth += 1
        if depth > MAX_DEPTH:
            raise MalformedRequestError(f"the JSON nests deeper than {MAX_DEPTH} levels")


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [child for child in value.values() if isinstance(child, dict | list)]
    if isinstance(value, list):
        return [child for child in value if isinstance(child, dict | list)]
    return []
