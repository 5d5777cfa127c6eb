"""Models on one worker as flows: batch size, length of a cycle, load. No chance, no single jobs.

A worker seals a batch when its device is about to be free, so a batch holds what arrived while the one
before ran. With a run of a + b * n the sizes settle at n = rate * (a + b * n) = rate * a / (1 - rate * b).
A size of `max_batch` is reached exactly where the load is 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import NamedTuple

from jobs.core.planning.plan_file import BatchOverheads, DeviceKind, PlannedModel, RunTimes


class ModelFlow(NamedTuple):
    """The jobs of a model at one worker: jobs a second, times of a run there, the largest batch, the goal."""

    per_s: float
    fixed_s: float
    per_job_s: float
    max_batch: int
    goal_s: float = inf

    def run_s(self, jobs: float) -> float:
        """Return the seconds of a run of so many jobs."""
        return self.fixed_s + self.per_job_s * jobs

    def size_within(self, seconds: float) -> float:
        """Return the largest batch whose run ends within `seconds`; inf where not even one job's does.

        As in the product: a goal that the smallest batch misses cuts no batch.
        """
        size = (seconds - self.fixed_s) / self.per_job_s if self.per_job_s else inf
        return size if size >= 1.0 else inf


def flow_of(model: PlannedModel, kind: str, device: DeviceKind, per_s: float) -> ModelFlow:
    """Return a model's flow on a kind of device: by the times stated for the kind, else by its speed."""
    times = model.on.get(kind)
    if times is None:
        fixed_s, per_job_s = model.fixed_s or 0.0, model.per_job_s or 0.0
        times = RunTimes(fixed_s / device.speed, per_job_s / device.speed)
    return ModelFlow(per_s, times.fixed_s, times.per_job_s, model.max_batch, model.p95_goal_s)


def load_of(flows: Sequence[ModelFlow], lanes: int, overheads: BatchOverheads) -> float:
    """Return the share that the flows take of what full batches would reach; the fullest stage counts."""
    run = sum(flow.per_s * flow.run_s(flow.max_batch) / flow.max_batch for flow in flows) / lanes
    claim = sum(f.per_s * (overheads.claim_s / f.max_batch + overheads.claim_per_job_s) for f in flows)
    settle = sum(f.per_s * (overheads.settle_s / f.max_batch + overheads.settle_per_job_s) for f in flows)
    return max(run, claim, settle)


def cycle_s(flows: Sequence[ModelFlow], lanes: int) -> float:
    """Return the seconds in which each model that has arrivals gets a batch; inf beyond what can be done.

    The fixed point of the batch sizes: the sum of the fixed times over what the jobs' own times leave.
    """
    left = 1.0 - sum(flow.per_s * flow.per_job_s for flow in flows) / lanes
    if left <= 0.0:
        return inf
    return sum(flow.fixed_s for flow in flows if flow.per_s) / lanes / left


def batch_size(flow: ModelFlow, flows: Sequence[ModelFlow], lanes: int) -> float:
    """Return the mean batch of a flow beside others, from 1 to its largest."""
    return min(max(flow.per_s * cycle_s(flows, lanes), 1.0), flow.max_batch)


def least_s(flow: ModelFlow, overheads: BatchOverheads) -> float:
    """Return the latency of a job that waits for nothing and runs alone."""
    beside_s = overheads.claim_s + overheads.claim_per_job_s + overheads.settle_s + overheads.settle_per_job_s
    return overheads.deliver_s + beside_s + flow.run_s(1)
