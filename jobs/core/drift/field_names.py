"""The names of what is watched of a job, and how much of a number is kept. Pure.

input:bytes, input:/age, input:/text:length, input:/vector:norm, input:/vector:p0 to p7,
output:confidence, output:label, output:vector:norm, output:vector:p0 to p7
"""

from __future__ import annotations

from typing import Final

SIZE: Final = "input:bytes"
CONFIDENCE, LABEL, VECTOR = "output:confidence", "output:label", "output:vector"
DIGITS: Final = 3
Value = float | str | None  # a number, the text of a label, or None where a job has none


def rounded(number: float) -> float:
    """Return a number with three significant digits."""
    return float(f"{number:.{DIGITS}g}")
