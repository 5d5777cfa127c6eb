"""How long two versions took for the same batches, by the size of the batch. Pure."""

from __future__ import annotations

from statistics import median
from typing import Any

from msgspec import Struct

MOST_KEPT = 200  # pairs of a size


class SizeTimes(Struct):
    """Pairs of seconds by size, the candidate's first; without a stable version the second is None."""

    by_size: dict[str, list[tuple[float, float | None]]] = {}

    def add(self, size: int, ours_s: float, theirs_s: float | None) -> None:
        """Add the times of one batch; of a size with many, the first ones are kept."""
        pairs = self.by_size.setdefault(str(size), [])
        if len(pairs) < MOST_KEPT:
            pairs.append((round(ours_s, 6), None if theirs_s is None else round(theirs_s, 6)))

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each size, in order: batches, both medians, the median of the pairs' ratios."""
        return [_row(int(size), self.by_size[size]) for size in sorted(self.by_size, key=int)]


def _row(size: int, pairs: list[tuple[float, float | None]]) -> dict[str, Any]:
    theirs = [second for _, second in pairs if second is not None]
    ratios = [ours / second for ours, second in pairs if second]
    return {
        "size": size,
        "batches": len(pairs),
        "candidate_s": median(ours for ours, _ in pairs),
        "stable_s": median(theirs) if theirs else None,
        "ratio": median(ratios) if ratios else None,
    }
