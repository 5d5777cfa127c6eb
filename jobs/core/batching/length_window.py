"""Chooses items of similar length: those whose padded batch costs least per item."""

from __future__ import annotations

from collections.abc import Sequence

from jobs.core.batching.fair_queue import Token, Waiting
from jobs.core.batching.service_time import ServiceTime


def within(items: Sequence[Waiting[Token]], most_bytes: float) -> list[Waiting[Token]]:
    """Return as many of the first items as take `most_bytes` of memory together, and at least one."""
    total, count = 0, 0
    for item in items:
        total += item.size
        if count and total > most_bytes:
            break
        count += 1
    return list(items[:count])


def cut(items: Sequence[Waiting[Token]], longest: int) -> None:
    """Let no item count as longer than what the model reads of it."""
    for item in items:
        item.size = min(item.size, longest)


def cheapest(
    items: Sequence[Waiting[Token]], *, most: int, bound: float, service: ServiceTime
) -> list[Waiting[Token]]:
    """Return the items of similar size around the first one that cost least per item, within the limits.

    In order of size, the most items before each longest one are the cheapest batch with it, so only those
    are compared. The first item is always chosen, even if it alone exceeds the padded size `bound`.
    """
    by_size = sorted(range(len(items)), key=lambda at: (items[at].size, at))
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
    return [items[at] for at in sorted(by_size[best[0] : best[1]])]
