"""One form of a label, however an output, feedback or a call writes it. Pure."""

from __future__ import annotations

import re

_BOOLEANS = {"true": "1", "True": "1", "false": "0", "False": "0"}
_WHOLE_NUMBER = re.compile(r"(-?[0-9]+)\.0+\Z", re.ASCII)


def plain_label(label: str) -> str:
    """Return the form in which labels are compared: a whole number has no fraction, a boolean is 1 or 0.

    Feedback stores a boolean as a number, so that `true` and 1 are one label.
    """
    number = _WHOLE_NUMBER.match(label)
    return number[1] if number else _BOOLEANS.get(label, label)
