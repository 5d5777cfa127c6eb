"""How long nothing came, seen over a span of time. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise

LIMIT_S = 30.0


def longest_pause_s(times: Sequence[float], since: float, until: float) -> float:
    """Return the longest time without an event of `times` (ascending) that lies at least partly in a span.

    A pause that began before the span counts as a whole, and so does one that ends after it; one that never
    ended counts until the span's end.
    """
    first = max(0, bisect_right(times, since) - 1)
    last = bisect_left(times, until) + 1
    seen = [*times[first:last]]
    if not seen or seen[0] > since:
        seen.insert(0, since)
    if seen[-1] < until:
        seen.append(until)
    return max(after - before for before, after in pairwise(seen))
