"""Who runs with whom after a worker died: the batch that was in hand in two halves, until one stands alone.

A batch of n jobs of which one kills its worker costs at most log2(n) + 1 deaths until the killer is alone;
only then is an attempt charged, so that its neighbours' are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

_MOST = 2**31 - 2


def groups_after_death(batch: UUID, jobs: Sequence[UUID]) -> dict[UUID, int]:
    """Return for each job of a batch whose worker died the group, above 0, that it runs in next time."""
    first, second = 1 + batch.int % _MOST, 1 + (batch.int + 1) % _MOST
    middle = (len(jobs) + 1) // 2
    return {job: first if at < middle else second for at, job in enumerate(sorted(jobs))}
