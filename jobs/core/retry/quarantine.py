"""Which jobs run together after their worker died: the halves of their batch, until one job runs alone.

If one job of a batch of n kills its worker, it runs alone after at most log2(n) + 1 deaths. Only then is an
attempt charged, so that the other jobs lose none.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

_MOST = 2**31 - 2


def groups_after_death(batch: UUID, jobs: Sequence[UUID]) -> dict[UUID, int]:
    """Return the next isolation group, above 0, of each job of a batch whose worker died."""
    first, second = 1 + batch.int % _MOST, 1 + (batch.int + 1) % _MOST
    middle = (len(jobs) + 1) // 2
    return {job: first if index < middle else second for index, job in enumerate(sorted(jobs))}
