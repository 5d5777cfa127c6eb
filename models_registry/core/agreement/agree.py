"""Compares two outputs of the same input. Pure: a function of the model's own comes as an argument."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import inf, isfinite, sqrt
from typing import Any, NamedTuple

from models_registry.core.agreement.option import Agreement
from models_registry.core.agreement.pointers import ABSENT, part_at
from models_registry.core.registry_errors import AgreementError

OwnComparison = Callable[[Any, Any], Any]


class Compared(NamedTuple):
    """Whether two outputs agree, and how far apart they are: 0 for equal, more for a larger difference."""

    agrees: bool
    distance: float


EQUAL, DIFFERENT = Compared(True, 0.0), Compared(False, 1.0)
APART = Compared(False, inf)  # of another form: no number says how far


def agree(agreement: Agreement, ours: Any, theirs: Any, *, own: OwnComparison | None = None) -> Compared:
    """Compare two outputs, JSON values, of which `theirs` is the stable version's.

    `own` is the function that `entry_point` names; AgreementError where that returns no verdict.
    """
    left, right = part_at(ours, agreement.at), part_at(theirs, agreement.at)
    if left is ABSENT or right is ABSENT:
        return EQUAL if left is right else APART
    match agreement.by:
        case "numbers":
            return _by_numbers(left, right, agreement)
        case "cosine":
            return _by_cosine(left, right, agreement.cosine)
        case "entry_point":
            return _by_own(own, left, right)
        case _:  # a label is compared as anything is; its kind says that confusion may be counted
            return EQUAL if _same(left, right) else DIFFERENT


def _same(left: Any, right: Any) -> bool:
    """Return whether two JSON values are equal; in Python, True equals 1."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(part, right[name]) for name, part in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_same, left, right))
    return bool(left == right)


def _by_numbers(left: Any, right: Any, agreement: Agreement) -> Compared:
    """Compare number by number; the distance is the largest difference in units of its tolerance."""
    largest = 0.0
    for ours, theirs in _pairs(left, right):
        if not (_is_number(ours) and _is_number(theirs)):
            if not _same(ours, theirs):
                return APART
            continue
        difference, allowed = abs(ours - theirs), agreement.atol + agreement.rtol * abs(theirs)
        if difference:
            largest = max(largest, difference / allowed if allowed else inf)
    return Compared(largest <= 1.0, largest)


def _by_cosine(left: Any, right: Any, least: float) -> Compared:
    """Compare as vectors; the distance is 1 less their cosine."""
    pairs = list(_pairs(left, right))
    if _same(left, right):
        return EQUAL  # also where rounding would leave a little
    if not all(_is_number(ours) and _is_number(theirs) for ours, theirs in pairs):
        return APART
    sizes = [max(abs(pair[side]) for pair in pairs) for side in (0, 1)]
    if not all(sizes):
        return EQUAL if sizes == [0, 0] else Compared(agrees=False, distance=1.0)
    scaled = [(ours / sizes[0], theirs / sizes[1]) for ours, theirs in pairs]  # no square overflows
    product = sum(ours * theirs for ours, theirs in scaled)
    norms = [sqrt(sum(pair[side] ** 2 for pair in scaled)) for side in (0, 1)]
    cosine = product / (norms[0] * norms[1])
    return Compared(cosine >= least, max(0.0, 1.0 - cosine))


def _by_own(own: OwnComparison | None, left: Any, right: Any) -> Compared:
    if own is None:
        raise AgreementError("The function that compares outputs is not at hand.")
    verdict = own(left, right)
    if isinstance(verdict, bool):
        return EQUAL if verdict else DIFFERENT
    if _is_number(verdict) and isfinite(verdict) and verdict >= 0:
        return Compared(verdict <= 1.0, float(verdict))
    raise AgreementError("A comparison returns true or false, or a distance of 0 or more.")


def _pairs(left: Any, right: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the leaves of two values that stand at the same places; where the forms differ, the parts."""
    if isinstance(left, dict) and isinstance(right, dict) and left.keys() == right.keys():
        for name, part in left.items():
            yield from _pairs(part, right[name])
    elif isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        for ours, theirs in zip(left, right, strict=True):
            yield from _pairs(ours, theirs)
    else:
        yield left, right


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
