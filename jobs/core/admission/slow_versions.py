"""Which jobs of a model go to its slow lane, by the options of its versions and their recent runs. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from jobs.core.batching.lane_choice import Lane, slow_by_time, slow_from


@dataclass(frozen=True, slots=True)
class LaneOptions:
    """A version's options about lanes, and the limits of its batches."""

    version: int
    model: str
    lane: Lane
    slow_above_s: float | None
    padded: bool
    max_batch: int
    max_padded_size: int


@dataclass(frozen=True, slots=True)
class RunLine:
    """A version's recent runs: the line through their times by padded size, and the largest of these sizes.

    `fixed_s` and `per_unit_s` are None where all runs had one size; `mean_s` is the mean time.
    """

    mean_s: float
    largest: int
    fixed_s: float | None = None
    per_unit_s: float | None = None

    def seconds(self, padded_size: float) -> float:
        """Return the predicted seconds of a run; the mean where no line is known, or it makes no sense."""
        fixed_s, per_unit_s = self.line
        return fixed_s + per_unit_s * padded_size

    @property
    def line(self) -> tuple[float, float]:
        """Return the seconds of a run whatever its size, and those for each unit; neither is negative."""
        if self.fixed_s is None or self.per_unit_s is None or self.per_unit_s < 0.0:
            return self.mean_s, 0.0
        return max(self.fixed_s, 0.0), self.per_unit_s


def slow_sizes(
    versions: Collection[LaneOptions], runs: Mapping[int, RunLine], before: Mapping[int, int]
) -> dict[int, int]:
    """Return by version the size from which on its jobs are slow, for the versions of one model.

    `before` is the last answer. Versions without slow jobs are left out.
    """
    asked = {each.version for each in versions if each.lane is Lane.AUTO}
    times_s = {each.version: _full_s(each, runs[each.version]) for each in versions if each.version in runs}
    slow = slow_by_time(times_s, asked=asked, slow={version for version, size in before.items() if not size})
    sizes = dict[int, int]()
    for each in versions:
        least = 0 if each.lane is Lane.SLOW or each.version in slow else _from(each, runs, before)
        if least is not None:
            sizes[each.version] = least
    return sizes


def _full_s(version: LaneOptions, run: RunLine) -> float:
    """Return the time of a full batch, or of the largest one seen: a line does not reach further."""
    full = version.max_padded_size or run.largest if version.padded else version.max_batch
    return run.seconds(min(full, run.largest))


def _from(version: LaneOptions, runs: Mapping[int, RunLine], before: Mapping[int, int]) -> int | None:
    if version.slow_above_s is None:
        return None
    run = runs.get(version.version)
    if run is None:
        return before.get(version.version)
    fixed_s, per_unit_s = run.line
    return slow_from(
        above_s=version.slow_above_s, fixed_s=fixed_s, per_unit_s=per_unit_s, padded=version.padded
    )
