"""The names of what is watched of a job, and how much of a number is kept. Pure.

input:bytes, input:/age, input:/text:length, input:/vector:norm, input:/vector:p0 to p7,
output:confidence, output:label, output:vector:norm, output:vector:p0 to p7
missing:input:/age, missing:output:label, ...: whether a job has a value of the kind that was watched
"""

from __future__ import annotations

import re
from typing import Final

SIZE: Final = "input:bytes"
CONFIDENCE, LABEL, VECTOR = "output:confidence", "output:label", "output:vector"
MISSING: Final = "missing:"
DIGITS: Final = 3
_KINDS: Final = (":length", ":norm")  # by which one part of an input has several names
_PROJECTION: Final = re.compile(r":p[0-7]\Z")
Value = float | str | None  # a number, the text of a label, or None where a job has none


def rounded(number: float) -> float:
    """Return a number with three significant digits."""
    return float(f"{number:.{DIGITS}g}")


def missing_of(field: str) -> str:
    """Return the name of the field that says how many jobs have no value of another one."""
    return f"{MISSING}{field}"


def part_of(field: str) -> str | None:
    """Return the part of a job that a field is of, such as `input:/text`; None for one that is beside it.

    Each job in which that part was looked for is counted in just one of its fields, that of its kind.
    """
    if field.startswith(MISSING) or _PROJECTION.search(field):
        return None
    kind = next((kind for kind in _KINDS if field.endswith(kind)), "")
    return field.removesuffix(kind)
