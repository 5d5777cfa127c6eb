"""The document that `manage.py plan` reads: models with their forecast, kinds of devices, zones, goals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta, Struct

from models_registry.core.struct_fields import about

LARGEST = 1e12  # an infinite number passes a bound from below
MOST_HOURS = 168
MOST_LOAD = 0.8  # arrivals differ within the hour of a forecast

Name = Annotated[str, Meta(min_length=1, max_length=100)]
Names = Annotated[tuple[Name, ...], about("Names.", allowed="a list of names, such as ['a', 'b']")]
Positive = Annotated[float, Meta(gt=0, le=LARGEST)]
Amount = Annotated[float, Meta(ge=0, le=LARGEST)]
Load = Annotated[float, Meta(ge=0.01, le=0.99)]
Rates = Annotated[
    tuple[Amount, ...], about("By hour.", allowed="a list of numbers of at least 0, one for each hour")
]
Table = Annotated[dict[str, object], about("A table.", allowed="a table")]


class RunTimes(Struct, frozen=True, forbid_unknown_fields=True):
    """The time of a run: `fixed_s` + `per_job_s` * jobs, in seconds."""

    fixed_s: Amount
    per_job_s: Amount


class DeviceKind(Struct, frozen=True, forbid_unknown_fields=True):
    """A kind of device; a run takes 1 / `speed` of the times that a model states."""

    price_per_h: Amount
    memory_gib: Positive
    speed: Positive = 1.0
    start_s: Amount = 0.0
    lanes: Annotated[int, Meta(ge=1, le=64)] = 1
    zones: Names = ()  # where it can be had; all where none is named
    most_per_zone: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None


class PlannedModel(Struct, frozen=True, forbid_unknown_fields=True):
    """A model: its arrivals by hour or the name whose stored ones count, its goal, and what it takes."""

    p95_goal_s: Positive
    memory_gib: Positive
    arrivals_per_s: Rates = ()
    history: Annotated[str, Meta(max_length=100)] = ""
    growth: Positive = 1.0
    peak: Annotated[float, Meta(ge=1, le=1000)] = 1.0  # the busiest minute of an hour over its mean
    fixed_s: Amount | None = None
    per_job_s: Amount | None = None
    max_batch: Annotated[int, Meta(ge=1, le=100_000)] = 64
    load_s: Amount = 0.0
    devices: Names = ()  # the kinds that may serve it; all where none is named
    on: Annotated[dict[str, RunTimes], about("By kind.", allowed="a table by kind of device")] = {}


class BatchOverheads(Struct, frozen=True, forbid_unknown_fields=True):
    """Seconds beside the run: delivery of a job, claim and settle of a batch and of each job in it."""

    deliver_s: Amount = 0.01
    claim_s: Amount = 0.005
    claim_per_job_s: Amount = 0.0
    settle_s: Amount = 0.005
    settle_per_job_s: Amount = 0.0


class PartFile(Struct, frozen=True, forbid_unknown_fields=True):
    """What a part of the platform can do: `jobs_per_s`, or its cores and the CPU that a job costs it."""

    jobs_per_s: Positive | None = None
    cores: Positive | None = None
    cpu_ms_per_job: Positive | None = None


class PlanFile(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole document; the tables of devices, models and parts are read by their own types."""

    zones: Names
    devices: Table
    models: Table
    seed: Annotated[int, Meta(ge=0, le=2**31)] = 1
    survive_zones: Annotated[int, Meta(ge=0, le=20)] = 0
    most_load: Load = MOST_LOAD
    most_load_after_loss: Load = 0.95
    overheads: BatchOverheads = BatchOverheads()
    parts: Table = {}


class PlanInput(Struct, frozen=True):
    """A document that was read and checked; `rates` are jobs a second by model and hour, growth included."""

    zones: tuple[str, ...]
    devices: Mapping[str, DeviceKind]
    models: Mapping[str, PlannedModel]
    parts: Mapping[str, PartFile]
    rates: Mapping[str, tuple[float, ...]]
    overheads: BatchOverheads
    seed: int
    survive_zones: int
    most_load: float
    most_load_after_loss: float

    @property
    def hours(self) -> int:
        """Return how many hours are planned."""
        return len(next(iter(self.rates.values())))
