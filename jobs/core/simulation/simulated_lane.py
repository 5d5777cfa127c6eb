"""Which jobs go to the slow lane in virtual time: the product's own choice, by the plan's mean times.

The product learns these times, so its first jobs of a version may go the other way.
"""

from __future__ import annotations

from collections.abc import Mapping

from jobs.core.batching.lane_choice import Lane, slow_by_time, slow_from
from jobs.core.simulation.arrivals import Arrival
from jobs.core.simulation.plan import Model

_PLAIN = 1  # the padded size of an item where nothing is padded


class SlowLane:
    """The least size from which on a job of a version is slow; versions without slow jobs have none."""

    def __init__(self, models: Mapping[int, Model]) -> None:
        """Choose by the versions of one model, which are compared with each other."""
        asked = [version for version, model in models.items() if model.limits.lane is Lane.AUTO]
        times_s = {version: _full_batch_s(model) for version, model in models.items()} if asked else {}
        slow = slow_by_time(times_s, asked=asked, slow=())
        slow |= {version for version, model in models.items() if model.limits.lane is Lane.SLOW}
        self._from = dict.fromkeys(slow, 0)
        for version, model in models.items():
            least = _slow_from(model)
            if least is not None and version not in slow:
                self._from[version] = least

    @property
    def versions(self) -> frozenset[int]:
        """Return the versions that have slow jobs."""
        return frozenset(self._from)

    def takes(self, arrival: Arrival) -> bool:
        """Return whether the job is slow."""
        least = self._from.get(arrival.version)
        return least is not None and arrival.size >= least


def _slow_from(model: Model) -> int | None:
    if model.slow_above_s is None:
        return None
    base_s, run = model.run.mean_s(0), model.run
    return slow_from(
        above_s=model.slow_above_s,
        fixed_s=base_s,
        per_unit_s=run.mean_s(_PLAIN) - base_s,
        padded=model.limits.padded,
    )


def _full_batch_s(model: Model) -> float:
    limits = model.limits
    return model.run.mean_s((limits.padded and limits.max_padded_size) or limits.max_batch)
