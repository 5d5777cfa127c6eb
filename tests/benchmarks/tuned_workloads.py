"""Twelve workloads for the tuner, drawn with fixed seeds: models that pad and do not, one worker or two."""

from __future__ import annotations

import random
from dataclasses import dataclass

from jobs.core.batching.sealed_batch import BatchLimits
from jobs.core.loadtest.load_words import LoadGoal
from jobs.core.simulation.plan import Overheads, Timing
from jobs.core.tuning.setting_space import SettingSpace
from jobs.core.tuning.workload import DrawnTrace, Workload
from jobs.management.tune.tune_processes import chance_of

WORKLOADS = range(12)
BATCHES = (1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128)
ITEMS = (2, 4, 8, 16, 32)  # mean items that fill a padded batch


@dataclass(frozen=True, slots=True)
class TunedWorkload:
    """A workload with its goal, workers and settings."""

    workload: Workload
    goal: LoadGoal
    workers: int
    space: SettingSpace

    def __str__(self) -> str:
        run = self.workload.run
        pads = f", pads, mean size {self.workload.mean_size:.0f}" if self.workload.limits.padded else ""
        return (
            f"{run.base_s * 1e3:.1f} ms + {run.per_unit_s * 1e3:.3f} ms{pads}, crowding {run.crowding:g},"
            f" {self.goal}, {self.workers} workers, {len(self.space)} settings"
        )


def tuned_workload(number: int) -> TunedWorkload:
    """Return a workload; the same number gives the same one."""
    draw = random.Random(100 + number)
    pads, workers = number % 2 == 1, draw.choice((1, 1, 2))
    base_s = 0.003 * 10 ** draw.uniform(0.0, 1.2)
    mean_items = draw.choice((2, 4, 8))  # so many items take as long as the fixed time
    sizes = tuple(max(4, min(256, int(draw.lognormvariate(3.3, 0.8)))) for _ in range(400)) if pads else (1,)
    mean = sum(sizes) / len(sizes)
    run = Timing(
        base_s, base_s / (mean_items * mean), draw.choice((0.0, 0.2)), crowding=draw.choice((1.0, 0.5))
    )
    overheads = Overheads(0.003, Timing(0.002, 0.00005), Timing(0.003, 0.00008))
    goal_s = draw.choice((4.0, 6.0, 10.0)) * (base_s + 0.005)
    limits = BatchLimits(padded=pads, p95_goal_s=goal_s)
    own = Workload(run, DrawnTrace(chance_of, sizes), chance_of, limits, overheads, mean)
    return TunedWorkload(own, LoadGoal(95.0, goal_s), workers, _space(pads, mean))


def _space(pads: bool, mean: float) -> SettingSpace:  # noqa: FBT001  # one fact of a workload
    if not pads:
        return SettingSpace(BATCHES, lanes=(1, 2, 3), prefetch=(0, 256, 32), depth=(0, 128))
    padded = (0, *(round(mean * items) for items in reversed(ITEMS)))
    return SettingSpace(BATCHES[1::2], padded, lanes=(1, 2), prefetch=(0, 128), depth=(0, 128))
