"""Which rows go to the queue of their model's slow lane. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

SlowFrom = Mapping[int, int]  # by version, the least size of an input whose jobs are slow


class Sized(Protocol):
    """A row with its version and the size of its input."""

    @property
    def version(self) -> int: ...  # noqa: D102
    @property
    def size(self) -> int: ...  # noqa: D102


Row = TypeVar("Row", bound=Sized)


def is_slow_input(slow_from: SlowFrom, version: int, size: int) -> bool:
    """Return whether jobs of a version with an input of this size go to the slow lane."""
    least = slow_from.get(version)
    return least is not None and size >= least


def split_slow(rows: Sequence[Row], slow_from: SlowFrom) -> tuple[list[Row], list[Row]]:
    """Return the rows that stay, in their order, and those that go to the slow lane."""
    if not slow_from:
        return list(rows), []
    slow = [is_slow_input(slow_from, row.version, row.size) for row in rows]
    stay = [row for row, goes in zip(rows, slow, strict=True) if not goes]
    return stay, [row for row, goes in zip(rows, slow, strict=True) if goes]
