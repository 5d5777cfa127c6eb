"""The sizes of batches at which the time of two versions is compared. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")
FIRST, SECOND, TIMES = 1, 8, 4


def sizes_up_to(most: int) -> list[int]:
    """Return 1, 8, 32, 128 and so on below `most`, and `most`."""
    sizes, size = [FIRST], SECOND
    while size < most:
        sizes.append(size)
        size *= TIMES
    return sizes if most <= FIRST else [*sizes, most]


def in_batches(items: Sequence[Item], most: int) -> Iterator[Sequence[Item]]:
    """Yield the items in batches of these sizes, over and over; the last one may be smaller."""
    sizes, at, turn = sizes_up_to(most), 0, 0
    while at < len(items):
        size = sizes[turn % len(sizes)]
        yield items[at : at + size]
        at, turn = at + size, turn + 1
