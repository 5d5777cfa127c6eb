"""Chooses items of similar length: the padded batch with the least cost per item."""

from __future__ import annotations

from collections.abc import Sequence

from jobs.core.batching.fair_queue import Token, Waiting
from jobs.core.batching.service_time import ServiceTime


def within(items: Sequence[Waiting[Token]], *, most: int, bound: float) -> list[Waiting[Token]]:
    """Return the most items, from the first on, whose padded size is within `bound`; at least one."""
    longest, count = 0, 0
    for item in items[:most]:
        longest = max(longest, item.size)
        if count and (count + 1) * longest > bound:
            break
        count += 1
    return list(items[:count])


def cheapest(
    items: Sequence[Waiting[Token]], *, most: int, bound: float, service: ServiceTime
) -> list[Waiting[Token]]:
    """Return the items of similar size around the first one with the least cost per item, within the limits.

    Sorted by size, the fullest run is the cheapest for each longest item, so only these are compared. The
    first item is included even if it alone exceeds `bound`, the padded size that a batch may have.
    """
    by_size = sorted(range(len(items)), key=lambda index: (items[index].size, index))
    anchor = by_size.index(0)
    best, best_cost = (anchor, anchor + 1), float("inf")
    for end in range(anchor + 1, min(len(by_size), anchor + most) + 1):
        longest = items[by_size[end - 1]].size
        count = min(most, end, max(int(bound / longest), 1) if bound < float("inf") else most)
        if end - count > anchor:
            break
        cost = service.seconds(count * longest) / count
        if cost < best_cost:
            best, best_cost = (end - count, end), cost
    return [items[index] for index in sorted(by_size[best[0] : best[1]])]
