"""The plan: what `plan.json` holds. Its JSON schema is made of these classes."""

from __future__ import annotations

from typing import Literal

import msgspec

FORMAT: Literal["inference-plan/1"] = "inference-plan/1"
PlanVerdict = Literal["holds", "part_full", "missed"]


class PlannedWorkers(msgspec.Struct, frozen=True, kw_only=True):
    """How many workers of a kind run in a zone."""

    device: str
    zone: str
    workers: int


class HourPlan(msgspec.Struct, frozen=True, kw_only=True):
    """An hour of a group: jobs a second at its busiest minute, workers, and p95 in ms by model.

    `load` is the share of what full batches would reach. `after_loss`: with the largest zones gone.
    """

    hour: int
    peak_per_s: dict[str, float]
    workers: list[PlannedWorkers]
    total: int
    load: float
    load_after_loss: float
    p95_ms: dict[str, float]
    p95_after_loss_ms: dict[str, float]


class GroupPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Models that are served by the same workers, and why they are or are not; `cost` is of all hours."""

    models: list[str]
    why: str
    cost: float
    start_cost: float
    hours: list[HourPlan]


class CriticalMinutes(msgspec.Struct, frozen=True, kw_only=True):
    """Simulated minutes of an hour: p95 in ms foretold and simulated, by the workers that were planned.

    `raised`: the share by which arrivals were planned higher, because the simulation missed the goal.
    """

    models: list[str]
    device: str
    hour: int
    after_loss: bool
    workers: int
    simulated_workers: int
    jobs: int
    foretold_ms: dict[str, float]
    simulated_ms: dict[str, float]
    raised: float
    met: bool


class PartLoad(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the platform at its busiest hour; `stated`: by the file, not by this project's figures."""

    name: str
    capacity_per_s: float
    peak_per_s: float
    load: float
    hour: int
    stated: bool


class FleetPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The whole plan; money is in the currency of the file, and a device is paid from its start."""

    format: Literal["inference-plan/1"]
    verdict: PlanVerdict
    reasons: list[str]
    seed: int
    hours: int
    zones: list[str]
    survive_zones: int
    goals_ms: dict[str, float]
    groups: list[GroupPlan]
    cost: float
    start_cost: float
    device_hours: dict[str, float]
    saturates_first: str
    parts: list[PartLoad]
    critical: list[CriticalMinutes]

    @property
    def total_cost(self) -> float:
        """Return what all devices cost, from their starts."""
        return self.cost + self.start_cost
