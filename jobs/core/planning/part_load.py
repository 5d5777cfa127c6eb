"""How full the parts of the platform are at the busiest hour, and which of them is full first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from jobs.core.planning.plan_file import PartFile, PlanInput
from jobs.core.planning.plan_report import PartLoad


class PartDefault(NamedTuple):
    """The cores of a part and the milliseconds of CPU that a job costs it, as this project measured them."""

    cores: float
    cpu_ms_per_job: float


# One POST a job at 500 a second on two cores: docs/benchmarks.md, "One POST a job at 500/s".
PARTS: Mapping[str, PartDefault] = {
    "web": PartDefault(2, 1.4),
    "postgres": PartDefault(2, 1.3),
    "relay": PartDefault(2, 0.5),
    "broker": PartDefault(2, 0.3),
}


def jobs_per_s(name: str, stated: PartFile | None) -> float:
    """Return how many jobs a second a part can do: as stated, else by its cores and the CPU of a job."""
    own, default = stated or PartFile(), PARTS[name]
    if own.jobs_per_s is not None:
        return own.jobs_per_s
    return 1e3 * (own.cores or default.cores) / (own.cpu_ms_per_job or default.cpu_ms_per_job)


def part_loads(plan: PlanInput, device_load: float, device_hour: int) -> list[PartLoad]:
    """Return all parts, the fullest first; the device's load is the largest of any group of models."""
    peaks = {name: model.peak for name, model in plan.models.items()}
    by_hour = [
        sum(rates[hour] * peaks[name] for name, rates in plan.rates.items()) for hour in range(plan.hours)
    ]
    hour = max(range(plan.hours), key=by_hour.__getitem__)
    loads = [
        PartLoad(
            name=name,
            capacity_per_s=capacity,
            peak_per_s=by_hour[hour],
            load=by_hour[hour] / capacity,
            hour=hour,
            stated=plan.parts.get(name, PartFile()) != PartFile(),
        )
        for name in PARTS
        for capacity in [jobs_per_s(name, plan.parts.get(name))]
    ]
    peak_per_s = by_hour[device_hour]
    capacity_per_s = peak_per_s / device_load if device_load else 0.0
    loads.append(
        PartLoad(
            name="device",
            capacity_per_s=capacity_per_s,
            peak_per_s=peak_per_s,
            load=device_load,
            hour=device_hour,
            stated=True,
        )
    )
    return sorted(loads, key=lambda part: -part.load)
