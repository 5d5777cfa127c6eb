"""Which keys of a policy are slow: by their option, or by the run times that the policy learns."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from math import sqrt

from jobs.core.batching.estimators import Estimators
from jobs.core.batching.lane_choice import Lane, slow_by_time
from jobs.core.batching.sealed_batch import BatchLimits


class SlowKeys:
    """The keys of which every batch is slow; `limits` gives the limits of a key."""

    def __init__(self, limits: Callable[[Hashable], BatchLimits]) -> None:
        self._limits = limits
        self._judged, self._slow = set[Hashable](), set[Hashable]()

    def __contains__(self, key: Hashable) -> bool:
        return key in self._slow or self._limits(key).lane is Lane.SLOW

    def observe(self, key: Hashable, learned: Mapping[Hashable, Estimators]) -> None:
        """Judge the keys that are to be judged by their times, after a run of `key`."""
        if self._limits(key).lane is Lane.AUTO:
            self._judged.add(key)
        if not self._judged:
            return
        times_s = {each: self._full_batch_s(each, of) for each, of in learned.items() if of.service.weight}
        self._slow = slow_by_time(times_s, asked=self._judged, slow=self._slow)

    def _full_batch_s(self, key: Hashable, learned: Estimators) -> float:
        """Return the time of a full batch, or of the largest one seen: a line does not reach further."""
        limits, service = self._limits(key), learned.service
        seen = service.mean_x + 2.0 * sqrt(max(service.variance_x, 0.0))
        full = (limits.max_padded_size or seen) if limits.padded else limits.max_batch
        return service.seconds(min(full, seen))
