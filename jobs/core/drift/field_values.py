"""What a sampled job adds to the sketches of its version: numbers and labels by the name of a field. Pure.

No text of an input is kept, only its length, and of a number three digits: a sketch keeps single values.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from hashlib import shake_256
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from jobs.core.drift.field_names import CONFIDENCE, LABEL, SIZE, VECTOR, Value, rounded
from models_registry.core.agreement.pointers import ABSENT, part_at
from models_registry.core.monitor.monitor_option import Monitor
from models_registry.core.output import DTYPES, Output

PROJECTIONS: Final = 8
MOST_DIMENSIONS: Final = 4_096  # of a longer vector the first ones
MOST_LABEL_CHARS: Final = 64
LONG_LABEL: Final = "(a longer text)"
_MOST: Final = 3e38  # what a sketch of 32-bit floats holds
Numbers = npt.NDArray[np.float64]


def values_of(monitor: Monitor, *, size: int, given: Any = ABSENT, answer: Any = ABSENT) -> dict[str, Value]:
    """Return the value of each field: a number, the text of a label, or None where the job has none.

    `size` is that of the input in bytes. Of an input or output that is ABSENT no field is mentioned.
    """
    values: dict[str, Value] = {SIZE: rounded(float(size))}
    if given is not ABSENT:
        for pointer in monitor.inputs:
            values.update(_part(f"input:{pointer}", part_at(given, pointer)))
    if answer is not ABSENT:
        values.update(_of_output(monitor, answer))
    return values


def _of_output(monitor: Monitor, answer: Any) -> Iterator[tuple[str, Value]]:
    if monitor.confidence is not None:
        yield CONFIDENCE, _number(_at(answer, monitor.confidence))
    if monitor.label is not None:
        yield LABEL, label_of(_at(answer, monitor.label))
    if monitor.vector is not None:
        yield from _vector(VECTOR, numbers_of(_at(answer, monitor.vector)))


def _at(answer: Any, pointer: str) -> Any:
    if isinstance(answer, Output):  # an array: of one number, or a vector
        return answer
    return part_at(answer, pointer)


def _part(name: str, part: Any) -> Iterator[tuple[str, Value]]:
    if isinstance(part, str):
        yield f"{name}:length", rounded(float(len(part)))
    elif isinstance(part, list):
        yield from _vector(name, numbers_of(part))
    else:
        yield name, _number(part)


def _vector(name: str, numbers: Numbers | None) -> Iterator[tuple[str, Value]]:
    """Yield the norm, and where the direction lies along eight fixed ones, each with a variance of 1."""
    if numbers is None:
        yield f"{name}:norm", None
        return
    norm = float(np.linalg.norm(numbers))
    yield f"{name}:norm", _number(norm)
    if norm > 0 and math.isfinite(norm):
        along = directions()[:, : len(numbers)] @ (numbers / norm)
        yield from ((f"{name}:p{at}", rounded(float(one))) for at, one in enumerate(along))


@cache
def directions() -> Numbers:
    """Return eight rows of 1 and -1, the same in every process and release."""
    bits = np.frombuffer(
        shake_256(b"drift projections 1").digest(PROJECTIONS * MOST_DIMENSIONS // 8), np.uint8
    )
    signs: Numbers = np.unpackbits(bits).astype(np.float64)
    return (signs * 2.0 - 1.0).reshape(PROJECTIONS, MOST_DIMENSIONS)


def numbers_of(part: Any) -> Numbers | None:
    """Return a list of numbers, or an output that is an array, as a vector; None for anything else."""
    if isinstance(part, Output):
        return _array(part)
    if not isinstance(part, list) or not part:
        return None
    part = part[:MOST_DIMENSIONS]
    if not all(type(one) is float or type(one) is int for one in part):
        return None
    try:
        numbers = np.asarray(part, np.float64)
    except OverflowError:
        return None
    return numbers if bool(np.isfinite(numbers).all()) else None


def _array(output: Output) -> Numbers | None:
    if not output.is_array or not len(output.body):
        return None
    stored: npt.NDArray[Any] = np.frombuffer(output.body, DTYPES[output.meta["dtype"]].numpy)
    return stored[:MOST_DIMENSIONS].astype(np.float64)


def label_of(part: Any) -> str | None:
    """Return a label as text; None where it is neither a text nor a whole number nor true or false."""
    if isinstance(part, bool):
        return "true" if part else "false"
    if isinstance(part, int):
        part = str(part)
    if not isinstance(part, str):
        return None
    return part if len(part) <= MOST_LABEL_CHARS else LONG_LABEL


def _number(part: Any) -> float | None:
    """Return a finite number; None for anything else, also for one that no sketch can hold."""
    if isinstance(part, Output):
        one = _array(part)
        part = float(one[0]) if one is not None and len(one) == 1 else None
    if not isinstance(part, int | float) or not -_MOST < part < _MOST:
        return None
    return rounded(float(part))
